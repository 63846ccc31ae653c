# SPDX-License-Identifier: Apache-2.0
"""The exported multimodal encoder: one window of raw sensor data in, one feature vector out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.binding import BoundSession
from m2r2_ros.inference.metadata import METADATA_KEY, EncoderMetadata
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.packing import WindowPacker, input_types
from m2r2_ros.inference.session import CPU, TensorRt, check_tensors, open_session
from m2r2_ros.sensing.window import SensorWindow

_log = logging.getLogger(__name__)

# Part of the bit-for-bit rule: the same everywhere, whatever the machine has.
THREADS = 2


class Encoder:
    """An `encoder.onnx` ready to run.

    A GPU that fails in mid-run is a logged warning, and the CPU goes on; with `require_gpu` every
    window is an error until the GPU works again. `providers` tells where it runs now.

    Every window goes through the graph alone (batch 1), live and offline, because a matrix
    product over a batch may round differently: that is how features agree bit for bit.
    """

    def __init__(
        self,
        path: str | Path,
        require_gpu: bool = False,
        tensorrt: TensorRt | None = None,
        graphs: bool = False,
    ) -> None:
        """Open, check against the metadata and run once, so that the first window is not late.

        Raises M2R2Error when the file is missing, foreign, of a newer format, or not what its
        metadata says; with `require_gpu` also when the GPU cannot be used. `graphs`: replay windows
        as CUDA graphs where the whole encoder runs on the GPU.
        """
        model = read_model(path)
        on_gpu = {"require_gpu": require_gpu, "tensorrt": tensorrt}
        self._session = open_session(model, THREADS, **on_gpu, graphs=graphs)
        # How it is opened again when CUDA graphs do not hold.
        self._on_gpu = on_gpu
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self.metadata = EncoderMetadata.from_json(text, model.path)
        self.path = model.path
        self.sha256 = model.sha256
        self.layout = self.metadata.layout
        self.feature_dimension = self.metadata.feature_dimension
        check_tensors(model, "input", self._session.get_inputs(), input_types(self.layout))
        outputs = {"feature": ("float", (None, self.feature_dimension))}
        check_tensors(model, "output", self._session.get_outputs(), outputs, exact=False)
        self._bound = BoundSession(self._session, "feature")
        self._must_stay = require_gpu
        self._packer = WindowPacker(self.layout)
        self(blank_window(self.metadata))

    @property
    def providers(self) -> list[str]:
        """The execution providers that onnxruntime really uses, e.g. ["CPUExecutionProvider"]."""
        return self._session.get_providers()

    def __call__(self, window: SensorWindow) -> np.ndarray:
        """The feature of one window, float32 (D,), finite.

        Raises M2R2Error when the window does not fit the layout or the feature is not finite.
        """
        return self._run(self._packer([window]), [window])[0]

    def encode_batch(self, windows: Sequence[SensorWindow]) -> np.ndarray:
        """Features float32 (B, D) in one pass, equal to single ones up to rounding only."""
        return self._run(WindowPacker(self.layout, len(windows))(windows), windows)

    def _run(self, inputs: dict[str, np.ndarray], windows: Sequence[SensorWindow]) -> np.ndarray:
        try:
            features = self._call(inputs)
        except Exception as error:  # onnxruntime's own exceptions share no base class.
            raise M2R2Error(f"{self.path}: failed on window {windows[0].index}: {error}") from error
        if features.shape != (len(windows), self.feature_dimension):
            raise M2R2Error(f"{self.path}: gave a feature of shape {features.shape}")
        if not np.isfinite(features).all():
            raise M2R2Error(f"{self.path}: gave NaN or inf for window {windows[0].index}")
        return features

    def _call(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        try:
            return self._bound(inputs)
        except Exception as error:
            if self._bound.captures:
                _log.warning("%s: CUDA graphs failed, without them now: %s", self.path, error)
                self._open_again(**self._on_gpu)
                return self._call(inputs)
            if self._must_stay or self.providers[0] == CPU:
                raise
            _log.warning("%s: %s failed, on the CPU now: %s", self.path, self.providers[0], error)
        self._open_again(allow_gpu=False)
        return self._bound(inputs)

    def _open_again(self, **how: Any) -> None:
        model = read_model(self.path)
        if model.sha256 != self.sha256:
            raise M2R2Error("the file has changed since it was opened")
        self._session = open_session(model, THREADS, **how)
        self._bound = BoundSession(self._session, "feature")


def blank_window(metadata: EncoderMetadata) -> SensorWindow:
    """Darkness, silence and rest of one nominal period, nothing masked."""
    layout = metadata.layout
    samples = input_types(layout)
    black = np.zeros((*metadata.image_size, 3), np.uint8)
    return SensorWindow(
        index=0,
        start_ns=0,
        end_ns=layout.period_ns,
        images=dict.fromkeys(layout.cameras, black),
        audio=np.zeros(layout.audio_capacity if layout.audio else 0, np.float32),
        signals={name: np.zeros(samples[name][1][1:], np.float32) for name in layout.signals},
        mask=dict.fromkeys(layout.modalities, True),
    )
