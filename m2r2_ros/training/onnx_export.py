# SPDX-License-Identifier: Apache-2.0
"""Trained networks as self-contained ONNX graphs (docs/architecture.md), checked against torch."""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder_inputs import input_types
from m2r2_ros.inference.metadata import METADATA_KEY, EncoderMetadata, HeadMetadata
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.networks.heads.causal import CausalHead
from m2r2_ros.networks.m2r2 import M2R2, ROBOACT
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.preparation import OUTPUT_PREFIX
from m2r2_ros.vocabulary import Vocabulary

OPSET = 20
# Largest difference between torch and the graph that is still rounding: absolute on features
# (which are of the order of one) and on probabilities.
TOLERANCE = 1e-3
# Part of the pixels that may be rounded to the level beside torch's: of a picture that is resized
# by a ratio of small numbers a good percent lies exactly between two.
_ROUNDED_ELSEWHERE = 0.1
# Of encoders, by precision. In float16, with ten bits after the point, it is of the largest feature
# where that is more than one.
TOLERANCES = {"float32": TOLERANCE, "float16": 2e-2}
# Modalities of which every mask is tried.
_MOST_MASKED = 8


class _EncoderGraph(nn.Module):
    """M2R2 with its inputs as positional arguments."""

    def __init__(self, encoder: M2R2) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.encoder(dict(zip(input_types(self.encoder.layout), inputs, strict=True)))


class _PreparationGraph(nn.Module):
    """The untrained part of M2R2, in as `_EncoderGraph`, out in the order of `M2R2.prepare`."""

    def __init__(self, encoder: M2R2) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(input_types(self.encoder.layout), inputs, strict=True))
        return tuple(self.encoder.prepare(named).values())


class _HeadGraph(nn.Module):
    """CausalHead's prediction with its states as positional arguments."""

    def __init__(self, head: CausalHead) -> None:
        super().__init__()
        self.head, self.told = head, head.told

    def forward(self, features: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        probabilities, boundary, next_states, told = self.head.tell(features, list(states))
        return probabilities, boundary, *(told[name] for name in self.told), *next_states


def encoder_graph(encoder: M2R2) -> bytes:
    """An encoder's graph, its inputs as `M2R2.forward` takes them, without metadata."""
    return _traced_over_windows(_EncoderGraph(encoder.eval()), encoder, ["feature"])


def export_encoder(
    encoder: M2R2, path: Path, training_data: str, precision: str = "float32"
) -> float:
    """Write the encoder's graph; returns its largest difference from torch in float32.

    `precision` is one of TOLERANCES; inputs, spectrogram, normalisation and the feature are float32
    in both. Raises M2R2Error, and writes nothing, when the difference is more than the precision's
    rounding.
    """
    encoder.eval()
    if precision == "float16":
        from m2r2_ros.training.half_precision import openable_on_cpus

        data = openable_on_cpus(encoder_graph(copy.deepcopy(encoder).in_half_precision()))
    else:
        data = encoder_graph(encoder)
    config = encoder.config
    image_size = (config.image_size, config.image_size)
    metadata = EncoderMetadata(encoder.layout, config.feature_dimension, image_size, training_data)
    data = with_metadata(data, metadata.to_json())
    difference = check_encoder(encoder, data, precision)
    _write(path, data)
    return difference


def export_preparation(encoder: M2R2, path: Path) -> None:
    """Write `encoder.prepare` as a graph, its outputs' names after OUTPUT_PREFIX.

    Raises M2R2Error, and writes nothing, when it differs from torch by more than rounding.
    """
    encoder.eval()
    with torch.no_grad():
        names = list(encoder.prepare(_random_inputs(encoder, 1, (32, 40))))
    outputs = [f"{OUTPUT_PREFIX}{name}" for name in names]
    data = _traced_over_windows(_PreparationGraph(encoder), encoder, outputs)
    session = open_graph(data)
    for inputs in _window_cases(encoder):
        with torch.no_grad():
            expected = [value.numpy() for value in encoder.prepare(inputs).values()]
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        for name, one, other in zip(names, found, expected, strict=True):
            check_prepared(one.astype(np.float32), other, f"preparation of '{name}'")
    _write(path, data)


def check_prepared(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Raise M2R2Error, naming `what`, when an output of `prepare` is more than rounded."""
    if expected.dtype == np.uint8:
        # A resized pixel that lies between two levels may be rounded to either one.
        off = np.abs(found - expected.astype(np.float32))
        check_difference(off, np.zeros_like(off), what, 1.0)
        check_difference(off.mean(), np.zeros(()), what, _ROUNDED_ELSEWHERE)
        return
    # Backbone features and decibels are of the order of ten.
    expected = expected.astype(np.float32)
    scale = max(1.0, float(np.abs(expected).max()))
    check_difference(found / scale, expected / scale, what)


def export_head(
    head: CausalHead,
    path: Path,
    vocabulary: Vocabulary,
    encoder_sha256: str,
    tracker: TrackerConfig,
    training_data: str,
    rate: FrameRate = FrameRate(),  # noqa: B008 (frozen)
    procedure: Procedure | None = None,
) -> float:
    """Write the head's graph; returns its largest difference from torch.

    `encoder_sha256` is the hash of the encoder.onnx whose features it was trained on, "" when they
    come from elsewhere; `procedure` what its tracker shall know of time, if anything. Raises
    M2R2Error, and writes nothing, when the difference is more than rounding.
    """
    head.eval()
    states = head.zero_states()
    names = [f"state_{index}" for index in range(len(states))]
    time = torch.export.Dim("time")
    data = traced(
        _HeadGraph(head),
        (torch.randn(1, 5, head.dimension), *states),
        {"features": {1: time}, "states": tuple({} for _ in states)},
        ["features", *names],
        ["probabilities", "boundary", *head.told, *(f"next_{name}" for name in names)],
    )
    metadata = HeadMetadata(
        labels=vocabulary.labels,
        feature_dimension=head.dimension,
        states={name: tuple(state.shape) for name, state in zip(names, states, strict=True)},
        encoder_sha256=encoder_sha256,
        training_data=training_data,
        tracker=tracker,
        look_ahead=head.config.look_ahead,
        vocabulary=vocabulary,
        rate_hz=rate.head_hz,
        sample_rate=rate.sample_rate,
        procedure=procedure,
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


def _random_inputs(
    encoder: M2R2, batch: int, image_shape: tuple[int, int], seed: int = 0
) -> dict[str, Tensor]:
    """As `random_inputs`, with features in the place of pictures where the encoder takes those."""
    inputs = random_inputs(encoder.layout, batch, image_shape, seed)
    if encoder.config.image_backbone == ROBOACT:
        random = torch.Generator().manual_seed(seed)
        size = (batch, encoder.config.roboact_length)
        for name in encoder.layout.cameras:
            inputs[f"image_{name}"] = torch.randn(size, generator=random)
    return inputs


def check_encoder(encoder: M2R2, data: bytes, precision: str = "float32") -> float:
    """Largest difference between torch and the graph over window lengths, image sizes and masks."""
    session = open_graph(data)
    largest = 0.0
    for inputs in Progress(_encoder_cases(encoder), "comparing with torch", unit="case"):
        with torch.no_grad():
            expected = encoder(inputs).numpy()
        feeds = {name: value.numpy() for name, value in inputs.items()}
        found = session.run(None, feeds)[0]
        scale = max(1.0, float(np.abs(expected).max())) if precision == "float16" else 1.0
        tolerance = TOLERANCES[precision] * scale
        largest = max(largest, check_difference(found, expected, "encoder", tolerance))
    return largest


def check_head(head: CausalHead, data: bytes) -> float:
    """Largest difference between torch on a whole sequence and the graph in chunks."""
    session = open_graph(data)
    features = torch.randn(1, 100, head.dimension, generator=torch.Generator().manual_seed(0))
    features = features * head.std + head.mean
    with torch.no_grad():
        probabilities, boundary, _, told = head.tell(features, head.zero_states())
    expected = {"probabilities": probabilities, "boundary": boundary}
    expected |= {name: told[name] for name in head.told}
    largest, states = 0.0, [state.numpy() for state in head.zero_states()]
    for start, stop in itertools.pairwise((0, 1, 2, 5, 40, 100)):
        feeds = {f"state_{index}": state for index, state in enumerate(states)}
        feeds["features"] = features[:, start:stop].numpy()
        found = session.run(None, feeds)
        for name, one in zip(expected, found, strict=False):
            other = expected[name][:, start:stop].numpy()
            if name in head.told:
                # Where rounding makes another class the likeliest, one alone may tell nothing.
                known = np.isfinite(one) & np.isfinite(other)
                one, other = np.append(one[known], 0.0), np.append(other[known], 0.0)
            largest = max(largest, check_difference(one, other, "head"))
        states = found[len(expected) :]
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


def _encoder_cases(encoder: M2R2) -> Iterator[dict[str, Tensor]]:
    masks = _masks(len(encoder.layout.modalities))
    every_mask = _random_inputs(encoder, len(masks), (32, 40))
    every_mask["mask"] = torch.tensor(masks)
    yield every_mask
    yield from _window_cases(encoder)


def _masks(count: int) -> list[tuple[bool, ...]]:
    """Every mask of up to eight modalities; of more each one alone, each one missing and others."""
    if count <= _MOST_MASKED:
        return list(itertools.product((False, True), repeat=count))
    alone = [tuple(index == one for index in range(count)) for one in range(count)]
    missing = [tuple(not present for present in mask) for mask in alone]
    random = np.random.default_rng(0).random((2**_MOST_MASKED, count)) < 0.5
    return [(False,) * count, (True,) * count, *alone, *missing, *map(tuple, random.tolist())]


def _window_cases(encoder: M2R2) -> Iterator[dict[str, Tensor]]:
    fractions = (0.0, 1e-9, 0.2, 2 / 3)
    image_shapes = ((1, 1), (96, 128), (240, 320))
    for seed, (fraction, shape) in enumerate(itertools.product(fractions, image_shapes)):
        inputs = _random_inputs(encoder, 1, shape, seed)
        for name in inputs:
            if name.endswith("_length"):
                inputs[name] = (inputs[name] * fraction).ceil().long()
        yield inputs


def check_difference(
    found: np.ndarray, expected: np.ndarray, what: str, tolerance: float = TOLERANCE
) -> float:
    """Largest difference; raises M2R2Error, naming `what`, when it is more than `tolerance`."""
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:
        raise M2R2Error(
            f"the exported {what} differs from torch by {difference:.2g} (limit {tolerance:g})"
        )
    return difference


def _traced_over_windows(module: nn.Module, encoder: M2R2, outputs: list[str]) -> bytes:
    """A graph that takes an encoder's inputs, any number of windows and images of any size."""
    batch = torch.export.Dim("batch")
    shapes: list[dict[int, Any]] = []
    example = _random_inputs(encoder, batch=2, image_shape=(48, 64))
    for name, value in example.items():
        shapes.append({0: batch})
        if value.dtype == torch.uint8:
            shapes[-1] |= {1: torch.export.Dim(f"{name}_h"), 2: torch.export.Dim(f"{name}_w")}
    inputs = tuple(example.values())
    return traced(module, inputs, {"inputs": tuple(shapes)}, list(example), outputs)


def traced(
    module: nn.Module,
    example: tuple[Tensor, ...],
    dynamic_shapes: dict[str, Any],
    inputs: list[str],
    outputs: list[str],
) -> bytes:
    """The module as an ONNX graph with named inputs and outputs."""
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
    exporters = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [exporter.level for exporter in exporters]
    for exporter in exporters:
        exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for exporter, level in zip(exporters, levels, strict=True):
            exporter.setLevel(level)


def open_graph(data: bytes) -> Any:
    """An onnxruntime session on the CPU, to compare a graph with torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # onnxruntime also remarks on operators that it cannot make faster: of no use to the user.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _write(path: Path, data: bytes) -> None:
    with partial_file(path) as partial:
        partial.write_bytes(data)
