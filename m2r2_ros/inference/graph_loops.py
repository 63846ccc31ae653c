# SPDX-License-Identifier: Apache-2.0
"""Whether a graph's run has an end: onnxruntime cannot be interrupted, not even by Ctrl-C.

A `Loop` runs as often as the numbers that it computes say, which may be for ever, and so do the
text generators of onnxruntime. `If` has two ends and `Scan` as many steps as its input has rows:
they may stay. What `m2r2 export` writes has none of these.

The file is looked through as protobuf (onnx.proto), weights skipped, so that nothing runs before.
"""

from __future__ import annotations

from collections.abc import Iterator

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.inference.model_file import ModelFile

ENDLESS = {"Loop", "BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch"}

# Message -> number of a field -> the message in it; an operator's name is marked by "".
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node"},
    "function": {7: "node"},
    "node": {4: "", 5: "attribute"},
    "attribute": {6: "graph", 11: "graph"},
}
# Protobuf itself does not follow messages in messages further.
_DEEPEST = 100
# onnxruntime would take its own format for a model, too.
_ORT_FORMAT = b"ORTM"
_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}


def check_ends(model: ModelFile) -> None:
    """Raise M2R2Error when a run of the graph may have no end, or the file is damaged."""
    if model.data[4:8] == _ORT_FORMAT:
        raise M2R2Error(f"{model.path}: no usable ONNX model: it is in onnxruntime's own format")
    try:
        found = ENDLESS.intersection(_operators(memoryview(model.data), "model", 0))
    except (ValueError, IndexError) as error:
        raise M2R2Error(f"{model.path}: no usable ONNX model: it is damaged") from error
    if found:
        raise M2R2Error(
            f"{model.path}: has an operator {brief(min(found))}, whose end nobody can promise: "
            "export the model without it"
        )


def _operators(data: memoryview, message: str, depth: int) -> Iterator[str]:
    """The names of all operators in a message, those of inner graphs included."""
    if depth > _DEEPEST:
        raise ValueError("too deep")
    for field, content in _fields(data):
        inner = _FIELDS[message].get(field)
        if inner:
            yield from _operators(content, inner, depth + 1)
        elif inner is not None:
            yield str(content, "utf-8", "replace")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field that holds bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        field, kind = divmod(key, 8)
        if kind == _VARINT:
            _, position = _varint(data, position)
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        else:
            length = _FIXED.get(kind, len(data))
        end = position + length
        if end > len(data):
            raise ValueError("it ends too early")
        if kind == _BYTES:
            yield field, data[position:end]
        position = end


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
