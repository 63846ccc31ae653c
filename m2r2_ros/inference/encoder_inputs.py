# SPDX-License-Identifier: Apache-2.0
"""Sensor windows as the input arrays of an encoder graph (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.session import TensorType
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.window import SensorWindow

# What the names of a graph's pictures begin with.
PICTURE = "image_"
# Stands in for a masked camera. Any size would do: masked content has no influence.
_NO_IMAGE = np.zeros((16, 16, 3), np.uint8)


def input_types(layout: SensorLayout) -> dict[str, TensorType]:
    """The inputs that an encoder of this layout has, in the order of the page."""
    inputs: dict[str, TensorType] = {}
    for camera in layout.cameras:
        inputs[f"{PICTURE}{camera}"] = ("uint8", (None, None, None, 3))
    for name, shape in _sample_shapes(layout).items():
        inputs[name] = ("float", (None, *shape))
        inputs[f"{name}_length"] = ("int64", (None,))
    inputs["mask"] = ("bool", (None, len(layout.modalities)))
    return inputs


def _sample_shapes(layout: SensorLayout) -> dict[str, tuple[int, ...]]:
    audio = {AUDIO: (layout.audio_capacity,)} if layout.audio else {}
    signals = layout.signals.items()
    return audio | {name: (layout.signal_capacity(name), one.width) for name, one in signals}


class WindowPacker:
    """Packs a fixed number of windows, into the same buffers every time.

    Samples are right-aligned: the last one is in the last row, rows before the first are zero.
    A modality that is masked, or has no sample at all, is zeros with mask False.
    """

    def __init__(self, layout: SensorLayout, batch: int = 1) -> None:
        self._layout = layout
        self._shapes = _sample_shapes(layout)
        self._mask = np.zeros((batch, len(layout.modalities)), bool)
        self._buffers: dict[str, np.ndarray] = {"mask": self._mask}
        for name, shape in self._shapes.items():
            self._buffers[name] = np.zeros((batch, *shape), np.float32)
            self._buffers[f"{name}_length"] = np.zeros(batch, np.int64)

    def __call__(self, windows: Sequence[SensorWindow]) -> dict[str, np.ndarray]:
        """The graph's inputs; valid until the next call.

        Raises M2R2Error when a window is not of this layout, its arrays have another type, shape
        or more samples than it allows, or the frames of one camera differ in size.
        """
        for row, window in enumerate(windows):
            for token, name in enumerate(self._layout.modalities):
                if name not in window.mask:
                    raise M2R2Error(f"window {window.index} has no '{name}': another sensor layout")
                self._mask[row, token] = window.mask[name]
            for name in self._shapes:
                self._pack_samples(row, name, window)
        images = {f"{PICTURE}{name}": _images(name, windows) for name in self._layout.cameras}
        return self._buffers | images

    def _pack_samples(self, row: int, name: str, window: SensorWindow) -> None:
        token = self._layout.modalities.index(name)
        buffer = self._buffers[name][row]
        buffer[:] = 0.0
        count = 0
        if self._mask[row, token]:
            samples = window.audio if name == AUDIO else _entry(window.signals, name, window)
            count = len(samples)
            if samples.shape[1:] != buffer.shape[1:] or count > len(buffer):
                raise M2R2Error(
                    f"window {window.index}: '{name}' is {samples.shape}, "
                    f"the encoder takes up to {buffer.shape}"
                )
            buffer[len(buffer) - count :] = samples
        self._buffers[f"{name}_length"][row] = count
        self._mask[row, token] = count > 0


def _images(camera: str, windows: Sequence[SensorWindow]) -> np.ndarray:
    """uint8 (B, H, W, 3). Masked frames take the size of the others."""
    seen = {
        row: _checked_image(camera, window)
        for row, window in enumerate(windows)
        if window.mask[camera]
    }
    if len(windows) == 1:
        return np.ascontiguousarray(seen.get(0, _NO_IMAGE))[np.newaxis]
    sizes = {image.shape for image in seen.values()} or {_NO_IMAGE.shape}
    if len(sizes) > 1:
        raise M2R2Error(f"camera '{camera}' has frames of several sizes in one batch: {sizes}")
    blank = np.zeros(sizes.pop(), np.uint8)
    return np.stack([seen.get(row, blank) for row in range(len(windows))])


def _checked_image(camera: str, window: SensorWindow) -> np.ndarray:
    image = _entry(window.images, camera, window)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise M2R2Error(
            f"window {window.index}: the frame of '{camera}' is {image.dtype} {image.shape}, "
            "the encoder takes uint8 (height, width, 3)"
        )
    return image


def _entry(values: dict[str, np.ndarray], name: str, window: SensorWindow) -> np.ndarray:
    if name not in values:
        raise M2R2Error(f"window {window.index} has no data of '{name}', which it does not mask")
    return values[name]
