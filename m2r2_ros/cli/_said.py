# SPDX-License-Identifier: Apache-2.0
"""What is said of one recording after the other: once, with the others of which it is true."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from m2r2_ros.errors import printable
from m2r2_ros.parallel.spread import Done

# So many recordings are named, the others counted.
_NAMED = 3


class Said:
    """Prints a line of the first recording at once, and those that it is true of at the end.

    failures  recordings without a result.
    """

    def __init__(self) -> None:
        self._recordings: dict[str, list[object]] = {}
        self.failures = 0

    def results(self, found: Iterable[Done[Any, Any]]) -> Iterator[Done[Any, Any]]:
        """Those that have a result; what is odd of it, or why there is none, is said."""
        for done in found:
            if done.error:
                self.failures += 1
                self.say(done.piece.name, done.error)
                continue
            for problem in done.result.problems:
                self.say(done.piece.name, problem)
            yield done

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
