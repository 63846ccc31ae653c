# SPDX-License-Identifier: Apache-2.0
"""The fields of a protobuf message, read and written without its definition.

A run-time machine has onnxruntime, not the package `onnx`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}


class Field(NamedTuple):
    """One field: its number, its content where that is bytes, and all of it as it is stored."""

    number: int
    content: memoryview | None
    stored: memoryview


def fields(data: memoryview) -> Iterator[Field]:
    """The fields of a message, in order. Raises ValueError or IndexError where it is damaged."""
    position = 0
    while position < len(data):
        begin = position
        key, position = _varint(data, position)
        number, kind = divmod(key, 8)
        if kind == _VARINT:
            length, position = 0, _varint(data, position)[1]
        elif kind == _BYTES:
            length, position = _varint(data, position)
        else:
            length = _FIXED.get(kind, len(data))
        end = position + length
        if end > len(data):
            raise ValueError("it ends too early")
        content = data[position:end] if kind == _BYTES else None
        yield Field(number, content, data[begin:end])
        position = end


def message(number: int, *parts: bytes | memoryview) -> bytes:
    """A field whose content is the parts: a text, or fields of an inner message."""
    content = b"".join(parts)
    return _encoded(number * 8 + _BYTES) + _encoded(len(content)) + content


def integer(number: int, value: int) -> bytes:
    """A field that holds a number >= 0."""
    return _encoded(number * 8 + _VARINT) + _encoded(value)


def _encoded(value: int) -> bytes:
    digits = bytearray()
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """A number and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number without an end")
