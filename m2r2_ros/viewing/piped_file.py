# SPDX-License-Identifier: Apache-2.0
"""A file that a library writes in a thread of its own, where a full disk would keep it for ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PIECE_BYTES = 1 << 20


class PipedFile:
    """What is written to `source` comes to the file; after a failure it is taken and thrown away.

    source  a path to be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be made."""
        self._file = path.open("wb", buffering=0)
        self._problem: OSError | None = None
        self._read_end, self._write_end = os.pipe()
        self.source = Path(f"/dev/fd/{self._write_end}")
        self._thread = threading.Thread(target=self._copy, name="piped file", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise OSError where the file could not take what was written so far."""
        if self._problem is not None:
            raise self._problem

    def close(self) -> None:
        """Wait until all is in the file; whoever has opened `source` has closed it before."""
        os.close(self._write_end)
        self._thread.join()

    def _copy(self) -> None:
        with open(self._read_end, "rb", buffering=0) as pipe:
            while piece := pipe.read(_PIECE_BYTES):
                self._write(memoryview(piece))
        try:
            self._file.close()
        except OSError as error:
            self._problem = self._problem or error

    def _write(self, piece: memoryview) -> None:
        try:
            while piece and self._problem is None:
                piece = piece[self._file.write(piece) :]
        except OSError as error:
            self._problem = error


@contextmanager
def piped_file(path: Path) -> Iterator[PipedFile]:
    """Raises OSError, when the block has ended well, where not all is in the file."""
    piped = PipedFile(path)
    try:
        yield piped
    finally:
        piped.close()
    piped.check()
