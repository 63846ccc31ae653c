# SPDX-License-Identifier: Apache-2.0
"""The metadata of an ONNX file without loading its graph, which may be gigabytes.

An ONNX file is a protobuf message; its metadata are the fields 14 of the outermost level, beside
the graph (onnx.proto: ModelProto.metadata_props, StringStringEntryProto).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from m2r2_ros.errors import M2R2Error, why_unreadable
from m2r2_ros.inference.metadata import METADATA_KEY, EncoderMetadata

_METADATA_FIELD = 14
_KEY_FIELD, _VALUE_FIELD = 1, 2
_MAX_ENTRY_BYTES = 1 << 21
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_encoder_metadata(path: str | Path) -> EncoderMetadata:
    """Layout and sizes of an `encoder.onnx`. Raises M2R2Error when it is missing or no encoder."""
    path = Path(path)
    if path.exists() and not path.is_file():
        inside = path / "encoder.onnx"
        there = f": give {inside}" if inside.is_file() else ""
        raise M2R2Error(f"{path}: not an ONNX file (not a file){there}")
    try:
        with path.open("rb") as file:
            text = dict(_entries(file)).get(METADATA_KEY)
    except OSError as error:
        raise M2R2Error(f"{path}: cannot be read: {why_unreadable(path, error)}") from error
    except (ValueError, EOFError) as error:
        raise M2R2Error(f"{path}: no usable ONNX model: {error}") from error
    return EncoderMetadata.from_json(text, path)


def _entries(file: BinaryIO) -> Iterator[tuple[str, str]]:
    size = file.seek(0, 2)
    file.seek(0)
    while file.tell() < size:
        field, kind = divmod(_varint(file), 8)
        if kind == _BYTES and field == _METADATA_FIELD:
            yield _entry(_bytes(file))
        else:
            _skip(file, kind, size)


def _entry(data: bytes) -> tuple[str, str]:
    parts = {_KEY_FIELD: b"", _VALUE_FIELD: b""}
    file = io.BytesIO(data)
    while file.tell() < len(data):
        field, kind = divmod(_varint(file), 8)
        if kind == _BYTES and field in parts:
            parts[field] = _bytes(file)
        else:
            _skip(file, kind, len(data))
    return parts[_KEY_FIELD].decode(), parts[_VALUE_FIELD].decode()


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise EOFError("it ends too early")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("it is damaged")


def _bytes(file: BinaryIO) -> bytes:
    length = _varint(file)
    if length > _MAX_ENTRY_BYTES:
        raise ValueError(f"a metadata entry has {length} bytes")
    data = file.read(length)
    if len(data) < length:
        raise EOFError("it ends too early")
    return data


def _skip(file: BinaryIO, kind: int, size: int) -> None:
    if kind == _VARINT:
        _varint(file)
        return
    lengths = {_FIXED64: 8, _FIXED32: 4}
    if kind != _BYTES and kind not in lengths:
        raise ValueError("it is damaged")
    length = _varint(file) if kind == _BYTES else lengths[kind]
    if file.tell() + length > size:
        raise EOFError("it ends too early")
    file.seek(length, 1)
