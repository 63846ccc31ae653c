# SPDX-License-Identifier: Apache-2.0
"""Tiny ONNX graphs with random weights that keep the contract of docs/architecture.md.

The encoder's feature depends on every input, on the place of every valid sample, on the lengths
and on the mask; masked content and padding have no influence. The head is causal, with two states.
Written with `onnx.helper` from the page alone, not with the package's own code, so that tests of
the package do not check it against itself.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from m2r2_ros.sensing.layout import SensorLayout

FEATURE_DIMENSION = 8
LABELS = ("No action", "Pick USB", "Insert USB", "Place large gear")

_STATISTICS = 4  # numbers that the tiny encoder takes from each modality
_HIDDEN = 6


class Graph:
    """Collects nodes and constants; every method returns the name of its output."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(seed)

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weights(self, *shape: int, scale: float = 1.0) -> str:
        return self.constant(self.random.normal(0.0, scale, shape))

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def save(
        self,
        path: Path,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        metadata: dict[str, str],
    ) -> Path:
        graph = helper.make_graph(self.nodes, "tiny", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString())
        return path


def encoder_metadata(
    layout: SensorLayout, feature_dimension: int = FEATURE_DIMENSION
) -> dict[str, Any]:
    return {
        "format": 1,
        "kind": "encoder",
        "layout": layout.to_dict(),
        "feature_dimension": feature_dimension,
        "image_size": [8, 8],
        "reduce_above": 64,
        "training_data": "none: random weights for tests",
    }


def write_encoder(
    path: Path,
    layout: SensorLayout,
    feature_dimension: int = FEATURE_DIMENSION,
    metadata: dict[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """Write a valid encoder for `layout`; `metadata` replaces the true entry (for bad files)."""
    graph = Graph(seed)
    value = helper.make_tensor_value_info
    inputs, statistics = [], []
    for i, name in enumerate(layout.cameras):
        inputs.append(value(f"image_{name}", TensorProto.UINT8, ["B", f"H{i}", f"W{i}", 3]))
        statistics.append(_image_statistics(graph, f"image_{name}"))
    sampled = [("audio", [layout.audio_capacity])] if layout.audio else []
    sampled += [
        (name, [layout.signal_capacity(name), layout.signals[name].width])
        for name in layout.signals
    ]
    for name, shape in sampled:
        inputs.append(value(name, TensorProto.FLOAT, ["B", *shape]))
        inputs.append(value(f"{name}_length", TensorProto.INT64, ["B"]))
        statistics.append(_sample_statistics(graph, name, shape))
    inputs.append(value("mask", TensorProto.BOOL, ["B", len(statistics)]))

    width = len(statistics) * _STATISTICS
    token_of = graph.constant(np.arange(width) // _STATISTICS, np.int64)
    seen = graph.op("Gather", "mask", token_of, axis=1)
    tokens = graph.op("Concat", *statistics, axis=1)
    tokens = graph.op("Where", seen, tokens, graph.constant(0.0))
    present = graph.op("Cast", "mask", to=TensorProto.FLOAT)
    known = graph.op("Concat", tokens, present, axis=1)
    weights = graph.weights(width + len(statistics), feature_dimension, scale=0.5)
    graph.op("Tanh", graph.op("MatMul", known, weights), output="feature")
    outputs = [value("feature", TensorProto.FLOAT, ["B", feature_dimension])]
    if metadata is None:
        metadata = encoder_metadata(layout, feature_dimension)
    return graph.save(path, inputs, outputs, {"m2r2": json.dumps(metadata)})


def _image_statistics(graph: Graph, name: str) -> str:
    """Mean colour and the first pixel's brightness, (B, 4)."""
    unit = graph.op("Div", graph.op("Cast", name, to=TensorProto.FLOAT), graph.constant(255.0))
    axes = graph.constant([1, 2], np.int64)
    colour = graph.op("ReduceMean", unit, axes, keepdims=0)
    start, end = graph.constant([0, 0], np.int64), graph.constant([1, 1], np.int64)
    corner = graph.op("Slice", unit, start, end, axes)
    corner = graph.op("ReduceMean", corner, graph.constant([2, 3], np.int64), keepdims=0)
    return graph.op("Concat", colour, corner, axis=1)


def _sample_statistics(graph: Graph, name: str, shape: list[int]) -> str:
    """Random projections of the valid samples and their number, (B, 4).

    Every place has its own weight, so that a shifted window gives another feature.
    """
    capacity, size = shape[0], int(np.prod(shape))
    length = graph.op("Unsqueeze", f"{name}_length", graph.constant([1], np.int64))
    first = graph.op("Sub", graph.constant(capacity, np.int64), length)
    place = np.repeat(np.arange(capacity), size // capacity)
    valid = graph.op("GreaterOrEqual", graph.constant(place, np.int64), first)
    flat = graph.op("Reshape", name, graph.constant([-1, size], np.int64))
    clean = graph.op("Where", valid, flat, graph.constant(0.0))
    projected = graph.op("MatMul", clean, graph.weights(size, _STATISTICS - 1, scale=size**-0.5))
    filled = graph.op("Cast", length, to=TensorProto.FLOAT)
    filled = graph.op("Div", filled, graph.constant(float(capacity)))
    return graph.op("Concat", graph.op("Tanh", projected), filled, axis=1)


def head_metadata(
    encoder_sha256: str,
    labels: tuple[str, ...] = LABELS,
    feature_dimension: int = FEATURE_DIMENSION,
) -> dict[str, Any]:
    return {
        "format": 1,
        "kind": "head",
        "labels": list(labels),
        "feature_dimension": feature_dimension,
        "states": {"state_0": [1, 2, feature_dimension], "state_1": [1, 4, _HIDDEN]},
        "encoder_sha256": encoder_sha256,
        "tracker": {},
        "training_data": "none: random weights for tests",
    }


def write_head(
    path: Path,
    encoder_sha256: str,
    labels: tuple[str, ...] = LABELS,
    feature_dimension: int = FEATURE_DIMENSION,
    metadata: dict[str, Any] | None = None,
    seed: int = 0,
    gain: float = 8.0,
    outlook: tuple[str, ...] = (),
) -> Path:
    """Write two causal dilated convolutions with their past as states.

    A high `gain` makes the posterior confident. `metadata` replaces the true entry.
    `outlook`: optional outputs, the feature's first number, that of every class ("outcomes") its
    first C.
    """
    graph = Graph(seed)
    hidden = _causal_layer(graph, "features", 0, feature_dimension, _HIDDEN, dilation=1)
    hidden = _causal_layer(graph, hidden, 1, _HIDDEN, _HIDDEN, dilation=2)
    logits = graph.op("MatMul", hidden, graph.weights(_HIDDEN, len(labels), scale=gain))
    graph.op("Softmax", logits, axis=-1, output="probabilities")
    edge = graph.op("MatMul", hidden, graph.weights(_HIDDEN, 1, scale=4.0))
    edge = graph.op("Squeeze", edge, graph.constant([2], np.int64))
    graph.op("Sigmoid", edge, output="boundary")

    value = helper.make_tensor_value_info
    states = [[1, 2, feature_dimension], [1, 4, _HIDDEN]]
    inputs = [value("features", TensorProto.FLOAT, [1, "T", feature_dimension])]
    inputs += [value(f"state_{i}", TensorProto.FLOAT, shape) for i, shape in enumerate(states)]
    outputs = [
        value("probabilities", TensorProto.FLOAT, [1, "T", len(labels)]),
        value("boundary", TensorProto.FLOAT, [1, "T"]),
    ]
    for name in outlook:
        of_classes = name == "outcomes"
        chosen = np.arange(len(labels)) if of_classes else 0
        first = graph.op("Gather", "features", graph.constant(chosen, np.int64), axis=2)
        graph.op("Identity", first, output=name)
        shape = [1, "T", len(labels)] if of_classes else [1, "T"]
        outputs.append(value(name, TensorProto.FLOAT, shape))
    for i, shape in enumerate(states):
        outputs.append(value(f"next_state_{i}", TensorProto.FLOAT, shape))
    if metadata is None:
        metadata = head_metadata(encoder_sha256, labels, feature_dimension)
    return graph.save(path, inputs, outputs, {"m2r2": json.dumps(metadata)})


def _causal_layer(
    graph: Graph, name: str, index: int, width: int, channels: int, dilation: int
) -> str:
    """Kernel 3 over past and present; (1, T, width) -> (1, T, channels)."""
    past = graph.op("Concat", f"state_{index}", name, axis=1)
    graph.op(
        "Slice",
        past,
        graph.constant([-2 * dilation], np.int64),
        graph.constant([np.iinfo(np.int64).max], np.int64),
        graph.constant([1], np.int64),
        output=f"next_state_{index}",
    )
    columns = graph.op("Transpose", past, perm=[0, 2, 1])
    kernel = graph.weights(channels, width, 3, scale=width**-0.5)
    columns = graph.op("Conv", columns, kernel, dilations=[dilation])
    return graph.op("Tanh", graph.op("Transpose", columns, perm=[0, 2, 1]))


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_models(
    folder: Path, layout: SensorLayout, labels: tuple[str, ...] = LABELS, gain: float = 8.0
) -> Path:
    """Write `encoder.onnx` and the `head.onnx` that belongs to it; return the folder."""
    encoder = write_encoder(folder / "encoder.onnx", layout)
    write_head(folder / "head.onnx", sha256_of(encoder), labels, gain=gain)
    return folder
