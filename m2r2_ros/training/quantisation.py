# SPDX-License-Identifier: Apache-2.0
"""An encoder's graph in 8 bit integers, by onnxruntime's static quantisation."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from m2r2_ros.errors import M2R2Error

# Weights and activations of these become integers.
_QUANTISED = ("Conv", "MatMul", "Gemm")
# The backbones live below these names; what the spectrogram convolves with needs its precision.
_KEPT = "log_mel"


def quantised(data: bytes, calibration: Sequence[dict[str, np.ndarray]]) -> bytes:
    """The graph with its convolutions and matrix products by constants in 8 bits.

    `calibration` holds batches of the graph's inputs, from which the ranges of activations are
    measured. Raises M2R2Error when there is none.
    """
    if not calibration:
        raise M2R2Error("8 bits need recorded windows to measure ranges on")
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _Quiet():
        raw, ready, result = (Path(folder, f"{name}.onnx") for name in ("raw", "ready", "result"))
        raw.write_bytes(data)
        # Folds batch normalisation into convolutions first.
        quant_pre_process(str(raw), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(result),
            _Windows(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTISED),
            nodes_to_exclude=_to_exclude(onnx.load(ready)),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Products of two activations (attention) stay as they are.
            extra_options={"MatMulConstBOnly": True},
        )
        return result.read_bytes()


class _Windows:
    """A calibration data reader as onnxruntime wants it."""

    def __init__(self, batches: Sequence[dict[str, np.ndarray]]) -> None:
        self._batches: Iterator[dict[str, np.ndarray]] = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def _to_exclude(model: object) -> list[str]:
    """Nodes whose name or weights belong to the spectrogram."""
    return [
        node.name
        for node in model.graph.node
        if any(_KEPT in name for name in (node.name, *node.input))
    ]


class _Quiet:
    """onnxruntime's advice about preprocessing goes to the root logger."""

    def __enter__(self) -> None:
        self._level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().setLevel(self._level)
