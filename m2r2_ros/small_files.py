# SPDX-License-Identifier: Apache-2.0
"""Files of other people that are read whole or line by line: settings, lists, metadata."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from m2r2_ros.errors import M2R2Error, brief, why_unreadable

MAX_BYTES = 1_000_000


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [key for key, count in keys.items() if count > 1]:
            raise yaml.YAMLError(f"{brief(twice[0])} is there twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def strict_yaml(text: str) -> Any:
    """What a text says, plain values only. Raises what yaml.safe_load raises."""
    return _StrictLoader(text).get_single_data()


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
        raise M2R2Error(
            f"cannot read {path}: it is no UTF-8 text from byte {error.start} on: save it as UTF-8"
        ) from error
