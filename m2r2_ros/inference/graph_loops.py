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
from m2r2_ros.inference.protobuf import fields

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
    for field, content, _ in fields(data):
        inner = _FIELDS[message].get(field) if content is not None else None
        if inner:
            yield from _operators(content, inner, depth + 1)
        elif inner is not None:
            yield str(content, "utf-8", "replace")
