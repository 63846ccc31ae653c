# SPDX-License-Identifier: Apache-2.0
"""The trained weights of an exported M2R2 encoder, back in torch, for other sensors too.

The exporter keeps most names; a matrix that it transposes is found by the bias that is added behind
it, and the kernel of a TemporalFusion by the signal that it is applied to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.networks.log_mel import LogMel
from m2r2_ros.networks.m2r2 import M2R2
from m2r2_ros.sensing.layout import SensorLayout

_PREFIX = "encoder."
# A bias -> the matrix before it.
_MATRIX = {"bias": "weight", "in_proj_bias": "in_proj_weight"}
# Frozen, and the same in all encoders of one size: loaded elsewhere.
_BACKBONE = "image_grid."
_POSITION = "audio_token.position"
# One entry, row or block for each modality, in order.
_PER_MODALITY = ("missing", "fuse.0.weight", "fuse.0.bias", "fuse.1.weight")

Weights = dict[str, np.ndarray]


def take_exported(encoder: M2R2, path: Path) -> None:
    """Put the weights of an encoder.onnx in the place of those that the encoder also has.

    Sensors that only the encoder has keep their own. Raises M2R2Error where nothing fits.
    """
    layout = read_encoder_metadata(path).layout
    found, taken = exported_weights(path, layout), 0
    with torch.no_grad():
        for name, own in encoder.state_dict().items():
            if name not in found or name.startswith(_BACKBONE) or _is_statistic(name):
                continue
            given = torch.tensor(found[name])
            if name in _PER_MODALITY:
                given = _by_modality(own, given, encoder.layout, layout, name)
            if given.shape == own.shape:
                own.copy_(given)
                taken += 1
    if not taken:
        raise M2R2Error(f"{path}: no weight of it fits this encoder: leave --from out")


def exported_weights(path: Path, layout: SensorLayout) -> Weights:
    """The weights of an encoder.onnx for the sensors of `layout`, by their names in torch."""
    graph = onnx.load_model_from_string(read_model(path).data).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    maker = {output: node for node in graph.node for output in node.output}
    weights = {n.removeprefix(_PREFIX): a for n, a in constants.items() if n.startswith(_PREFIX)}
    weights |= dict(_transposed(graph.node, constants, maker))
    weights |= _kernels(graph.node, constants, maker, layout)
    if layout.audio:
        frames = LogMel(layout.audio_rate_hz, layout.audio_capacity).frames
        weights |= _positions(graph.node, constants, frames)
    return weights


def _transposed(
    nodes: Iterable[onnx.NodeProto],
    constants: Weights,
    maker: Mapping[str, onnx.NodeProto],
) -> Iterable[tuple[str, np.ndarray]]:
    """Name and matrix of every product with a constant that a named bias is added to."""
    for node in nodes:
        biases = [name for name in node.input if name.startswith(_PREFIX)]
        if node.op_type != "Add" or len(biases) != 1:
            continue
        module, _, last = biases[0].removeprefix(_PREFIX).rpartition(".")
        products = [maker[name] for name in node.input if name in maker]
        if last in _MATRIX and products and products[0].op_type == "MatMul":
            matrix = constants.get(products[0].input[1])
            if matrix is not None:
                yield f"{module}.{_MATRIX[last]}", matrix.T


def _kernels(
    nodes: Iterable[onnx.NodeProto],
    constants: Weights,
    maker: Mapping[str, onnx.NodeProto],
    layout: SensorLayout,
) -> Weights:
    """E_t and W_p of each signal from their product (S, D, D_e), E_t with a mean of one."""
    weights: Weights = {}
    left = list(layout.signals)
    for node in nodes:
        matrix = _constant(node.input[1], constants, maker) if node.op_type == "MatMul" else None
        sources = _inputs_before(node.input[0], maker) if matrix is not None else set()
        # In the layout's order: two signals of one width are alike but for that.
        for name in [name for name in left if name in sources]:
            shape = layout.signal_capacity(name), layout.signals[name].width
            if matrix.size // matrix.shape[-1] == prod(shape):
                weights |= _factors(f"temporal_fusion.{name}", matrix.reshape(*shape, -1))
                left.remove(name)
                break
    return weights


def _constant(
    name: str, constants: Weights, maker: Mapping[str, onnx.NodeProto]
) -> np.ndarray | None:
    """A constant, also where the graph still changes its shape."""
    while name in maker and maker[name].op_type in ("Reshape", "Flatten"):
        name = maker[name].input[0]
    return constants.get(name)


def _positions(nodes: Iterable[onnx.NodeProto], constants: Weights, frames: int) -> Weights:
    """What is added to each frame of the spectrogram."""
    added = (constants.get(name) for node in nodes if node.op_type == "Add" for name in node.input)
    rows = [one for one in added if one is not None and one.ndim == 2 and len(one) == frames]
    return {_POSITION: rows[0]} if len(rows) == 1 else {}


def _factors(module: str, kernel: np.ndarray) -> Weights:
    """The kernel is (W_p)_de (E)_se; the split between the two is free, so E has a mean of one."""
    left, size, right = np.linalg.svd(kernel.transpose(2, 0, 1), full_matrices=False)
    temporal, projection = left[..., 0], right[:, 0] * size[:, :1]
    scale = temporal.mean(1, keepdims=True)
    scale = np.where(np.abs(scale) < 1e-6, 1.0, scale)
    return {
        f"{module}.temporal": (temporal / scale).T.astype(np.float32),
        f"{module}.projection.weight": (projection * scale).astype(np.float32),
    }


def _inputs_before(name: str, maker: Mapping[str, onnx.NodeProto]) -> set[str]:
    """What has no maker among all that a value is computed from."""
    found, todo, seen = set(), [name], {name}
    while todo:
        one = todo.pop()
        if one not in maker:
            found.add(one)
            continue
        new = set(maker[one].input) - seen
        seen |= new
        todo += new
    return found


def _is_statistic(name: str) -> bool:
    """Measured on the recordings, not learned."""
    return name.endswith(("_mean", "_std")) or name == "decibel_range"


def _by_modality(
    own: Tensor, given: Tensor, layout: SensorLayout, known: SensorLayout, name: str
) -> Tensor:
    """Blocks of the sensors that both layouts have, the others as they were."""
    axis = 0 if name != "fuse.1.weight" else 1
    whole = own.clone()
    ours, theirs = layout.modalities, known.modalities
    size, other = own.shape[axis] // len(ours), given.shape[axis] // len(theirs)
    others = [n for n in range(own.ndim) if n != axis]
    if size != other or any(own.shape[n] != given.shape[n] for n in others):
        return given
    for place, modality in enumerate(ours):
        if modality in theirs:
            block = given.narrow(axis, theirs.index(modality) * size, size)
            whole.narrow(axis, place * size, size).copy_(block)
    return whole
