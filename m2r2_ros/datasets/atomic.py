# SPDX-License-Identifier: Apache-2.0
"""Outputs that appear only when they are complete."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2r2_ros.errors import M2R2Error

# File systems take names of 255 bytes.
_LONG_NAME = 220
# What a process of another machine has not touched for so long, it has left: nobody here can ask.
_ABANDONED_S = 86_400.0


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed to it when the block ends without an error.

    Raises M2R2Error where a folder stands, or a device: renaming would put a file in its place.
    """
    is_there = os.path.lexists(path) and not path.is_file() and not _is_dangling(path)
    if is_there or _is_descriptor(path):
        raise M2R2Error(f"cannot write {path}: a folder, a pipe or a device is there: name a file")
    temporary = _beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise M2R2Error(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """Give a path for a folder of the same name, moved to `path` when the block ends well.

    The folder is not created yet. What stood at `path` is replaced.
    """
    temporary = _beside(path)
    try:
        temporary.mkdir()
        yield temporary / path.name
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary / path.name, path)
    except OSError as error:
        raise M2R2Error(f"cannot write {path}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_descriptor(path: Path) -> bool:
    """Whether it stands for what is open, as /dev/stdout does, also where that is a file."""
    folder = os.path.realpath(path.parent)
    link = os.readlink(path) if path.is_symlink() else ""
    return folder.startswith("/proc/") or (folder == "/dev" and link.startswith("/proc/"))


def _is_dangling(path: Path) -> bool:
    return path.is_symlink() and not os.path.exists(path)


def _beside(path: Path) -> Path:
    if not path.name:
        raise M2R2Error(f"cannot write '{path}': it has no name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "a file is there" if isinstance(error, FileExistsError) else error
        raise M2R2Error(f"cannot create {path.parent}: {why}") from error
    _sweep(path)
    return path.with_name(f".{_short_name(path)}.{_machine()}-{os.getpid()}.partial")


def _machine() -> str:
    """Tells apart the machines that share a folder; their processes may have the same numbers."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _short_name(path: Path) -> str:
    """A name that is as long as a file system takes leaves no room for more."""
    raw = os.fsencode(path.name)
    return path.name if len(raw) <= _LONG_NAME else hashlib.sha256(raw).hexdigest()


def _sweep(path: Path) -> None:
    """Remove what killed processes left of earlier attempts at `path`."""
    for left in path.parent.glob(f".{glob.escape(_short_name(path))}.*.partial"):
        machine, _, process = left.name.split(".")[-2].rpartition("-")
        is_here = machine in ("", _machine())
        if not (_is_running(process) if is_here else _is_recent(left)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _is_recent(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < _ABANDONED_S
    except FileNotFoundError:
        return True


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:  # another user's
        return True
    return int(process) != os.getpid()
