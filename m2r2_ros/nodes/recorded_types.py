# SPDX-License-Identifier: Apache-2.0
"""Definitions of installed message types as a bag stores them: .msg files, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.definition import NUMBERS, TEXT, FieldType
from m2r2_ros.nodes.message_definitions import installed_fields
from m2r2_ros.small_files import read_small_text

_PLAIN = {*NUMBERS, TEXT, "wstring"}
_BETWEEN = "=" * 80
_MOST_TYPES = 500


@cache
def stored_text(type_name: str) -> str:
    """The definition of a type and of all within it. Raises M2R2Error."""
    parts = [_text(type_name)]
    for name in _within(type_name):
        parts.append(f"{_BETWEEN}\nMSG: {_short(name)}\n{_text(name)}")
    return "\n".join(parts)


def _within(type_name: str) -> list[str]:
    """Types of its fields, and of theirs, each once."""
    found: list[str] = []
    waiting = [type_name]
    while waiting:
        for _, kind in installed_fields(waiting.pop()):
            if kind.name not in _PLAIN and kind.name not in found and len(found) < _MOST_TYPES:
                found.append(kind.name)
                waiting.append(kind.name)
    return found


def _text(type_name: str) -> str:
    """The .msg file, with its constants; else the fields alone."""
    package, _, name = type_name.split("/")
    for prefix in _prefixes():
        with suppress(M2R2Error):
            return read_small_text(prefix / "share" / package / "msg" / f"{name}.msg")
    lines = [f"{_written(kind)} {field}" for field, kind in installed_fields(type_name)]
    return "\n".join(lines) + "\n"


def _prefixes() -> Iterator[Path]:
    given = os.environ.get("AMENT_PREFIX_PATH", "")
    yield from map(Path, filter(None, given.split(os.pathsep)))


def _written(kind: FieldType) -> str:
    count = "" if kind.count is None else f"[{kind.count or ''}]"
    return _short(kind.name) + count


def _short(type_name: str) -> str:
    return type_name.replace("/msg/", "/")
