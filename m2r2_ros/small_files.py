# SPDX-License-Identifier: Apache-2.0
"""Files of other people that are read whole or line by line: settings, lists, metadata."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from m2r2_ros.errors import M2R2Error, why_unreadable

MAX_BYTES = 1_000_000


def open_file(path: Path) -> BinaryIO:
    """Open a file to read it. Raises OSError, also for what is no file.

    A pipe would be waited for, and a device may have no end.
    """
    # Without a wait for a pipe's other end; what is opened is what is looked at.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "not a file", str(path))


def read_small(path: Path, most_bytes: int = MAX_BYTES) -> bytes:
    """Raises M2R2Error when it cannot be read, is too large, or is no file."""
    try:
        with open_file(path) as file:
            content = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path.
        raise M2R2Error(f"cannot read {path}: {why_unreadable(path, error)}") from error
    if len(content) > most_bytes:
        raise M2R2Error(f"{path}: more than {most_bytes} bytes")
    return content


def read_small_text(path: Path, most_bytes: int = MAX_BYTES) -> str:
    """UTF-8, with a mark at its beginning or without. Raises M2R2Error."""
    try:
        return read_small(path, most_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise M2R2Error(f"cannot read {path}: {error}") from error
