# SPDX-License-Identifier: Apache-2.0
"""Standard output and error of a verb: no control character of a file's content reaches them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from m2r2_ros.errors import escaped

# Lines are ours on both; progress bars go to standard error, over themselves and a line up.
_OUTPUT, _ERROR = re.compile(r"([\n\t])"), re.compile(r"([\n\t\r]|\x1b\[A)")


class _PrintableStream:
    """A text stream that writes escapes in place of what is not printable, `kept` left as it is."""

    def __init__(self, stream: Any, kept: re.Pattern[str]) -> None:
        self._stream, self._kept = stream, kept

    def write(self, text: str) -> int:
        parts = self._kept.split(text)
        parts[::2] = map(escaped, parts[::2])
        self._stream.write("".join(parts))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def printable_output() -> Iterator[None]:
    """Inside the block, whatever is printed is printable."""
    output = _PrintableStream(sys.stdout, _OUTPUT)
    error = _PrintableStream(sys.stderr, _ERROR)
    with redirect_stdout(output), redirect_stderr(error):
        yield
