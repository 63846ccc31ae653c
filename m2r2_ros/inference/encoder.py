# SPDX-License-Identifier: Apache-2.0
"""The exported multimodal encoder: one window of raw sensor data in, one feature vector out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.device import DeviceSession
from m2r2_ros.inference.encoder_inputs import PICTURE, WindowPacker, input_types
from m2r2_ros.inference.metadata import METADATA_KEY, EncoderMetadata
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.session import TensorRt, check_tensors
from m2r2_ros.sensing.window import SensorWindow


class Encoder:
    """An `encoder.onnx` ready to run.

    `DeviceSession` answers a failing GPU; `providers` tells where the encoder runs now.

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
        self._device = DeviceSession(model, "feature", require_gpu, tensorrt, graphs, PICTURE)
        text = self._device.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self.metadata = EncoderMetadata.from_json(text, model.path)
        self.path = model.path
        self.sha256 = model.sha256
        self.layout = self.metadata.layout
        self.feature_dimension = self.metadata.feature_dimension
        check_tensors(model, "input", self._device.inputs, input_types(self.layout))
        outputs = {"feature": ("float", (None, self.feature_dimension))}
        check_tensors(model, "output", self._device.outputs, outputs, exact=False)
        self._packer = WindowPacker(self.layout)
        self(blank_window(self.metadata))

    @property
    def providers(self) -> list[str]:
        """The execution providers that onnxruntime really uses, e.g. ["CPUExecutionProvider"]."""
        return self._device.providers

    def begin(self, camera: str, picture: Callable[[], np.ndarray]) -> None:
        """Work ahead, in a thread, on what `picture` gives: the array that a window will show.

        It is a matter of time alone: features are the same, bit for bit.
        """
        self._device.begin(f"{PICTURE}{camera}", picture)

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
            features = self._device(inputs)
        except Exception as error:  # onnxruntime's own exceptions share no base class.
            raise M2R2Error(f"{self.path}: failed on window {windows[0].index}: {error}") from error
        if features.shape != (len(windows), self.feature_dimension):
            raise M2R2Error(f"{self.path}: gave a feature of shape {features.shape}")
        if not np.isfinite(features).all():
            raise M2R2Error(f"{self.path}: gave NaN or inf for window {windows[0].index}")
        return features


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
