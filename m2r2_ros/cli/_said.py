# SPDX-License-Identifier: Apache-2.0
"""What is said of one recording after the other: once, with the others of which it is true."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from m2r2_ros.errors import printable

# So many recordings are named, the others counted.
_NAMED = 3


class Said:
    """Prints a line of the first recording at once, and those that it is true of at the end."""

    def __init__(self) -> None:
        self._recordings: dict[str, list[object]] = {}

    def say(self, recording: object, line: str) -> None:
        recordings = self._recordings.setdefault(line, [])
        recordings.append(recording)
        if len(recordings) == 1:
            _print(recording, line)

    def finish(self) -> None:
        for line, (_, *others) in self._recordings.items():
            if others:
                more = len(others) - _NAMED
                named = ", ".join(map(str, others[:_NAMED]))
                _print(f"{named} and {more} more" if more > 0 else named, line)
        self._recordings.clear()


@contextmanager
def saying() -> Iterator[Said]:
    """Finished also where an error ends the work."""
    said = Said()
    try:
        yield said
    finally:
        said.finish()


def _print(recordings: object, line: str) -> None:
    print(printable(f"{recordings}: {line}"), file=sys.stderr)
