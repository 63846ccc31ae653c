# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP on a stream: every camera frame is embedded once, for all windows that show it.

`frame.onnx` embeds one picture; `encoder.onnx` adds it to the embeddings of the past, which it
carries as a state, and gives the feature of the last T seconds. A new frame costs one pass of the
visual encoder and one of a small transformer. Where the cameras' features are the image tokens of
an M2R2, `encoder.onnx` contains that M2R2 and takes the other sensors as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.device import THREADS, DeviceSession
from m2r2_ros.inference.encoder import blank_window
from m2r2_ros.inference.encoder_inputs import WindowPacker, input_types
from m2r2_ros.inference.metadata import METADATA_KEY, EncoderMetadata, RoboActMetadata
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.pipeline import MAX_GAP_NS
from m2r2_ros.inference.session import TensorType, check_tensors, open_session
from m2r2_ros.sensing.window import SensorWindow

FRAME_FILE = "frame.onnx"


class RoboActEncoder:
    """Stands where `Encoder` stands; its feature also depends on the windows before.

    A new sequence starts, by itself, when the index does not count up, when the time does not
    advance, and after a hole of more than `pipeline.MAX_GAP_NS`. Windows that were skipped and
    cameras that are masked count as frames in which nothing new was seen.
    """

    def __init__(self, path: str | Path, require_gpu: bool = False) -> None:
        """Open `encoder.onnx` at `path` and the `frame.onnx` beside it; run both once.

        Raises M2R2Error when one is missing, foreign, not what the metadata says, or the two do
        not belong together; with `require_gpu` also when the GPU cannot be used.
        """
        model = read_model(path)
        # The window's transformer is too small to be worth a trip to a GPU.
        self._window = open_session(model, THREADS, allow_gpu=False)
        text = self._window.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        metadata = EncoderMetadata.from_json(text, model.path)
        if not isinstance(metadata, RoboActMetadata):
            raise M2R2Error(f"{model.path}: is no RoboAct encoder")
        self.metadata, self.path, self.sha256 = metadata, model.path, model.sha256
        self.layout = metadata.layout
        self.feature_dimension = metadata.feature_dimension
        self._check_window(model)
        frame = read_model(model.path.parent / FRAME_FILE)
        if frame.sha256 != metadata.frame_sha256:
            raise M2R2Error(
                f"{frame.path}: {model.path} belongs to another (sha256 "
                f"{metadata.frame_sha256[:12]}..., this is {frame.sha256[:12]}...)"
            )
        self._frame_path = frame.path
        self._frame = DeviceSession(frame, "frame_embedding", require_gpu)
        session = self._frame.session
        images = {"image": ("uint8", (None, None, None, 3))}
        check_tensors(frame, "input", session.get_inputs(), images)
        rows = {"frame_embedding": ("float", (None, metadata.embedding_dimension))}
        check_tensors(frame, "output", session.get_outputs(), rows, exact=False)
        self._packer = WindowPacker(self.layout)
        # Camera -> its newest picture and that one's embedding.
        self._embedded: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.reset()
        # Once, so that the first window is not late.
        self(blank_window(metadata))
        self.reset()

    @property
    def providers(self) -> list[str]:
        """The execution providers that run the visual encoder."""
        return self._frame.providers

    def reset(self) -> None:
        """Start a new sequence."""
        self._state = self._blank()
        self._last: tuple[int, int] | None = None

    def begin(self, camera: str, picture: Callable[[], np.ndarray]) -> None:
        """Every picture waits for its window: one session embeds those of all cameras."""

    def __call__(self, window: SensorWindow) -> np.ndarray:
        """The feature at the end of this window, float32 (D,), finite.

        Raises M2R2Error when the window does not fit the layout, or something is not finite (the
        state stays as it was).
        """
        packed = self._packer([window])
        skipped = self._skipped(window)
        past = self._blank() if skipped is None else _held(self._state, skipped)
        present = np.array([window.mask[name] for name in self.layout.cameras])
        rows = np.zeros((len(present), self.metadata.embedding_dimension), np.float32)
        for camera in np.flatnonzero(present):
            rows[camera] = self._embed_new(self.layout.cameras[camera], packed)
        inputs = {"embedding": rows, "present": present, **past}
        inputs |= {name: packed[name] for name in self._others}
        feature, self._state = self._advance(inputs, list(past))
        self._last = (window.index, window.end_ns)
        return feature

    def encode_batch(self, windows: Sequence[SensorWindow]) -> np.ndarray:
        """Features float32 (B, D) of windows in order of time."""
        return np.stack([self(window) for window in windows])

    def _embed_new(self, camera: str, packed: dict[str, np.ndarray]) -> np.ndarray:
        """F_i of a camera's picture; one that is held, of a slow camera, is not embedded again."""
        image = packed[f"image_{camera}"]
        if camera not in self._embedded or not np.array_equal(self._embedded[camera][0], image):
            self._embedded[camera] = (image.copy(), self.embed(image))
        return self._embedded[camera][1]

    def embed(self, image: np.ndarray) -> np.ndarray:
        """F_i float32 (d,) of one picture, uint8 (1, H, W, 3). Raises M2R2Error."""
        try:
            rows = self._frame({"image": image})
        except Exception as error:  # onnxruntime's own exceptions share no base class.
            raise M2R2Error(f"{self._frame_path}: failed: {error}") from error
        if not np.isfinite(rows).all():
            raise M2R2Error(f"{self._frame_path}: gave NaN or inf")
        return rows[0]

    def _skipped(self, window: SensorWindow) -> int | None:
        """Windows missing since the last one; None where a new sequence starts."""
        if self._last is None:
            return None
        index, end_ns = self._last
        if window.index <= index or not 0 < window.end_ns - end_ns <= MAX_GAP_NS:
            return None
        return window.index - index - 1

    def _blank(self) -> dict[str, np.ndarray]:
        shapes = state_shapes(self.metadata)
        return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

    @property
    def _others(self) -> dict[str, TensorType]:
        """The inputs beside cameras and states."""
        if not self.metadata.image_token:
            return {}
        types = input_types(self.layout)
        return {name: kind for name, kind in types.items() if not name.startswith("image_")}

    def _advance(
        self, inputs: dict[str, np.ndarray], states_in: list[str]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        outputs = ["feature", *(f"next_{name}" for name in states_in)]
        try:
            feature, *states = self._window.run(outputs, inputs)
        except Exception as error:  # onnxruntime's own exceptions share no base class.
            raise M2R2Error(f"{self.path}: failed: {error}") from error
        if feature.shape != (1, self.feature_dimension) or not np.isfinite(feature).all():
            raise M2R2Error(f"{self.path}: gave NaN, inf or a feature of shape {feature.shape}")
        return feature[0], dict(zip(states_in, states, strict=True))

    def _check_window(self, model: Any) -> None:
        cameras = len(self.layout.cameras)
        states = {name: ("float", shape) for name, shape in state_shapes(self.metadata).items()}
        inputs = {
            "embedding": ("float", (cameras, self.metadata.embedding_dimension)),
            "present": ("bool", (cameras,)),
            **states,
            **self._others,
        }
        outputs = {
            "feature": ("float", (1, self.feature_dimension)),
            **{f"next_{name}": kind for name, kind in states.items()},
        }
        check_tensors(model, "input", self._window.get_inputs(), inputs)
        check_tensors(model, "output", self._window.get_outputs(), outputs, exact=False)


def _held(state: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """The state after `count` frames in which nothing was seen."""

    def shifted(values: np.ndarray) -> np.ndarray:
        passed = np.zeros_like(values[:, :count])
        return np.concatenate([values[:, count:], passed], axis=1)

    return {name: shifted(values) for name, values in state.items()} if count else state


def state_shapes(metadata: RoboActMetadata) -> dict[str, tuple[int, ...]]:
    """The carried state: each camera's embeddings, newest last, and 1 where there was a frame."""
    cameras, length = len(metadata.layout.cameras), metadata.history
    return {
        "state_0": (cameras, length, metadata.embedding_dimension),
        "state_1": (cameras, length),
    }
