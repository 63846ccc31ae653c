# SPDX-License-Identifier: Apache-2.0
"""Trained networks as self-contained ONNX graphs (docs/architecture.md), checked against torch."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.metadata import METADATA_KEY, EncoderMetadata, HeadMetadata
from m2r2_ros.inference.packing import input_types
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.networks.heads.causal import CausalHead
from m2r2_ros.networks.m2r2 import M2R2
from m2r2_ros.sensing.layout import SensorLayout

OPSET = 20
# Largest difference between torch and the graph that is still rounding: absolute on features
# (which are of the order of one) and on probabilities.
TOLERANCE = 1e-3


class _EncoderGraph(nn.Module):
    """M2R2 with its inputs as positional arguments."""

    def __init__(self, encoder: M2R2) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.encoder(dict(zip(input_types(self.encoder.layout), inputs, strict=True)))


class _HeadGraph(nn.Module):
    """CausalHead's prediction with its states as positional arguments."""

    def __init__(self, head: CausalHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        probabilities, boundary, next_states = self.head.predict(features, list(states))
        return probabilities, boundary, *next_states


def export_encoder(encoder: M2R2, path: Path, training_data: str) -> float:
    """Write the encoder's graph; returns its largest difference from torch.

    Raises M2R2Error, and writes nothing, when that is more than rounding.
    """
    encoder.eval()
    layout = encoder.layout
    names = list(input_types(layout))
    batch = torch.export.Dim("batch")
    shapes: list[dict[int, Any]] = []
    for name in names:
        shapes.append({0: batch})
        if name.startswith("image_"):
            shapes[-1] |= {1: torch.export.Dim(f"{name}_h"), 2: torch.export.Dim(f"{name}_w")}
    example = random_inputs(layout, batch=2, image_shape=(48, 64))
    data = _traced(
        _EncoderGraph(encoder),
        tuple(example.values()),
        {"inputs": tuple(shapes)},
        names,
        ["feature"],
    )
    config = encoder.config
    image_size = (config.image_size, config.image_size)
    metadata = EncoderMetadata(layout, config.feature_dimension, image_size, training_data)
    data = with_metadata(data, metadata.to_json())
    difference = check_encoder(encoder, data)
    _write(path, data)
    return difference


def export_head(
    head: CausalHead,
    path: Path,
    labels: Iterable[str],
    encoder_sha256: str,
    tracker: TrackerConfig,
    training_data: str,
) -> float:
    """Write the head's graph; returns its largest difference from torch.

    `encoder_sha256` is the hash of the encoder.onnx whose features it was trained on, "" when they
    come from elsewhere. Raises M2R2Error, and writes nothing, when the difference is more than
    rounding.
    """
    head.eval()
    states = head.zero_states()
    names = [f"state_{index}" for index in range(len(states))]
    time = torch.export.Dim("time")
    data = _traced(
        _HeadGraph(head),
        (torch.randn(1, 5, head.dimension), *states),
        {"features": {1: time}, "states": tuple({} for _ in states)},
        ["features", *names],
        ["probabilities", "boundary", *(f"next_{name}" for name in names)],
    )
    metadata = HeadMetadata(
        labels=tuple(labels),
        feature_dimension=head.dimension,
        states={name: tuple(state.shape) for name, state in zip(names, states, strict=True)},
        encoder_sha256=encoder_sha256,
        training_data=training_data,
        tracker=tracker,
    )
    data = with_metadata(data, metadata.to_json())
    difference = check_head(head, data)
    _write(path, data)
    return difference


def random_inputs(
    layout: SensorLayout, batch: int, image_shape: tuple[int, int], seed: int = 0
) -> dict[str, Tensor]:
    """Inputs of plausible size for every sensor, full windows, nothing masked."""
    random = torch.Generator().manual_seed(seed)
    inputs: dict[str, Tensor] = {}
    for name, (kind, shape) in input_types(layout).items():
        if kind == "uint8":
            size = (batch, *image_shape, 3)
            inputs[name] = torch.randint(0, 256, size, dtype=torch.uint8, generator=random)
        elif kind == "float":
            inputs[name] = torch.randn((batch, *shape[1:]), generator=random)
        elif kind == "bool":
            inputs[name] = torch.ones((batch, *shape[1:]), dtype=torch.bool)
        else:
            capacity = inputs[name.removesuffix("_length")].shape[1]
            inputs[name] = torch.full((batch,), capacity)
    return inputs


def check_encoder(encoder: M2R2, data: bytes) -> float:
    """Largest difference between torch and the graph over window lengths, image sizes and masks."""
    session = _session(data)
    largest = 0.0
    for inputs in _encoder_cases(encoder.layout):
        with torch.no_grad():
            expected = encoder(inputs).numpy()
        feeds = {name: value.numpy() for name, value in inputs.items()}
        largest = max(largest, _difference(session.run(None, feeds)[0], expected, "encoder"))
    return largest


def check_head(head: CausalHead, data: bytes) -> float:
    """Largest difference between torch on a whole sequence and the graph in chunks."""
    session = _session(data)
    features = torch.randn(1, 100, head.dimension, generator=torch.Generator().manual_seed(0))
    features = features * head.std + head.mean
    with torch.no_grad():
        probabilities, boundary, _ = head.predict(features, head.zero_states())
    largest, states = 0.0, [state.numpy() for state in head.zero_states()]
    for start, stop in itertools.pairwise((0, 1, 2, 5, 40, 100)):
        feeds = {f"state_{index}": state for index, state in enumerate(states)}
        feeds["features"] = features[:, start:stop].numpy()
        found, found_boundary, *states = session.run(None, feeds)
        part = slice(start, stop)
        for one, other in (
            (found, probabilities[:, part]),
            (found_boundary, boundary[:, part]),
        ):
            largest = max(largest, _difference(one, other.numpy(), "head"))
    return largest


def with_metadata(data: bytes, metadata: str) -> bytes:
    """The graph with its one metadata entry."""
    import onnx

    model = onnx.load_from_string(data)
    model.graph.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.helper.set_model_props(model, {METADATA_KEY: metadata})
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _encoder_cases(layout: SensorLayout) -> Iterator[dict[str, Tensor]]:
    masks = list(itertools.product((False, True), repeat=len(layout.modalities)))
    every_mask = random_inputs(layout, len(masks), (32, 40))
    every_mask["mask"] = torch.tensor(masks)
    yield every_mask
    fractions = (0.0, 1e-9, 0.2, 2 / 3)
    image_shapes = ((1, 1), (96, 128), (240, 320))
    for seed, (fraction, shape) in enumerate(itertools.product(fractions, image_shapes)):
        inputs = random_inputs(layout, 1, shape, seed)
        for name in inputs:
            if name.endswith("_length"):
                inputs[name] = (inputs[name] * fraction).ceil().long()
        yield inputs


def _difference(found: np.ndarray, expected: np.ndarray, what: str) -> float:
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise M2R2Error(
            f"the exported {what} differs from torch by {difference:.2g} (limit {TOLERANCE:g})"
        )
    return difference


def _traced(
    module: nn.Module,
    example: tuple[Tensor, ...],
    dynamic_shapes: dict[str, Any],
    inputs: list[str],
    outputs: list[str],
) -> bytes:
    with _quiet():
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamo=True,
            external_data=False,
            dynamic_shapes=dynamic_shapes,
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            verbose=False,
        )
    return program.model_proto.SerializeToString()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's notices about itself are not the user's business."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)


def _session(data: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def _write(path: Path, data: bytes) -> None:
    with partial_file(path) as partial:
        partial.write_bytes(data)
