# SPDX-License-Identifier: Apache-2.0
"""The causal segmentation head: one feature in, one class posterior out, the past as a state."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.metadata import METADATA_KEY, HeadMetadata
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.outcome import Outlook
from m2r2_ros.inference.session import TensorType, check_tensors, open_session

# Frames in one pass of `run`: bounds its memory, and makes no difference to its result.
_CHUNK = 1024
# What reduced precision may add to a probability.
_ROUNDING = 0.01
# Outputs (1, T) that a head may have, and one of every class (1, T, C); NaN where it does not know.
_OF_FRAMES, _OF_CLASSES = ("progress", "outcome"), "outcomes"
_OPTIONAL = (*_OF_FRAMES, _OF_CLASSES)


class StreamingHead:
    """A `head.onnx` ready to run, on the CPU: it is too small to be worth a trip to a GPU.

    `labels` (index = class id), their `vocabulary`, `feature_dimension`, `sha256`;
    `metadata.tracker` holds the tracker's defaults for this head; `outlook` is what its optional
    outputs `progress`, `outcome` and `outcomes`, of which it `tells` some, said of the last frame.
    """

    def __init__(self, path: str | Path) -> None:
        """Open, check against the metadata and run once.

        Raises M2R2Error when the file is missing, foreign, of a newer format, or not what its
        metadata says.
        """
        model = read_model(path)
        self._session = open_session(model, threads=1, allow_gpu=False)
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self.metadata = HeadMetadata.from_json(text, model.path)
        self.path = model.path
        self.sha256 = model.sha256
        self.labels, self.vocabulary = self.metadata.labels, self.metadata.known_vocabulary
        self.feature_dimension = self.metadata.feature_dimension
        inputs, outputs = _tensor_types(self.metadata)
        check_tensors(model, "input", self._session.get_inputs(), inputs)
        found = self._session.get_outputs()
        self.tells = [name for name in _OPTIONAL if name in {tensor.name for tensor in found}]
        shapes = dict.fromkeys(_OF_FRAMES, (1, None)) | {_OF_CLASSES: (1, None, len(self.labels))}
        outputs |= {name: ("float", shapes[name]) for name in self.tells}
        check_tensors(model, "output", found, outputs, exact=False)
        self._outputs = ["probabilities", "boundary", *self.tells]
        self._outputs += [f"next_{name}" for name in self.metadata.states]
        self.reset()
        self.step(np.zeros(self.feature_dimension, np.float32))
        self.reset()

    def check_encoder(self, encoder: Encoder) -> None:
        """Raise M2R2Error unless this head was trained on the features of this very encoder."""
        if encoder.feature_dimension != self.feature_dimension:
            raise M2R2Error(
                f"{self.path}: takes features of {self.feature_dimension} numbers, "
                f"{encoder.path} gives {encoder.feature_dimension}"
            )
        self.metadata.check_encoder(self.path, encoder.sha256, encoder.path)

    def reset(self) -> None:
        """Start a new sequence."""
        self.outlook = Outlook()
        self._state = {
            name: np.zeros(shape, np.float32) for name, shape in self.metadata.states.items()
        }

    def step(self, feature: np.ndarray) -> tuple[np.ndarray, float]:
        """Take the next frame's feature, float32 (D,).

        Returns the class posterior, float32 (C,), and the probability that an action starts at
        this frame. Raises M2R2Error when the feature has another shape or is not finite (the
        state stays as it was), or when the head's answer is no probability (the state is reset).
        """
        probabilities, boundary = self._advance(np.asarray(feature)[np.newaxis])
        return probabilities[0], float(boundary[0])

    def run(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the next T frames, float32 (T, D); as T calls of `step`, to float32 rounding.

        Returns the class posteriors, float32 (T, C), and boundary probabilities, float32 (T,).
        Raises M2R2Error as `step` does.
        """
        chunks = [self._advance(features[i : i + _CHUNK]) for i in range(0, len(features), _CHUNK)]
        if not chunks:
            return np.empty((0, len(self.labels)), np.float32), np.empty(0, np.float32)
        probabilities, boundaries = zip(*chunks, strict=True)
        return np.concatenate(probabilities), np.concatenate(boundaries)

    def _advance(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if features.ndim != 2 or features.shape[1] != self.feature_dimension:
            raise M2R2Error(
                f"{self.path}: takes features of {self.feature_dimension} numbers, "
                f"got an array of shape {features.shape}"
            )
        features = np.ascontiguousarray(features, np.float32)
        if not np.isfinite(features).all():
            raise M2R2Error(f"{self.path}: got a feature that holds NaN or inf")
        try:
            outputs = self._session.run(
                self._outputs, {"features": features[np.newaxis], **self._state}
            )
        except Exception as error:  # onnxruntime's own exceptions share no base class.
            raise M2R2Error(f"{self.path}: failed: {error}") from error
        probabilities, boundary, *rest = outputs
        told, states = rest[: len(self.tells)], rest[len(self.tells) :]
        self._state = dict(zip(self._state, states, strict=True))
        if not (np.isfinite(probabilities).all() and np.isfinite(boundary).all()):
            self.reset()
            raise M2R2Error(f"{self.path}: gave NaN or inf; starting anew")
        for name, values in (("probabilities", probabilities), ("boundary", boundary)):
            if values.size and not -_ROUNDING <= values.min() <= values.max() <= 1 + _ROUNDING:
                self.reset()
                raise M2R2Error(
                    f"{self.path}: gave '{name}' from {values.min():.3g} to {values.max():.3g}, "
                    "which are no probabilities: is its softmax missing? Starting anew"
                )
        self.outlook = self._read_outlook(dict(zip(self.tells, told, strict=True)))
        return probabilities[0], boundary[0]

    def _read_outlook(self, told: dict[str, np.ndarray]) -> Outlook:
        """Of the last frame. Raises M2R2Error when an answer is neither a share nor NaN."""
        last = {name: values[0, -1] for name, values in told.items() if values.size}
        for name, answer in last.items():
            known = answer[~np.isnan(answer)]
            wrong = known[(known < -_ROUNDING) | (known > 1 + _ROUNDING)]
            if wrong.size:
                self.reset()
                said = f"gave '{name}' as {wrong[0]:.3g}, which is no share; starting anew"
                raise M2R2Error(f"{self.path}: {said}")
        shares = {
            name: float(min(max(last[name], 0.0), 1.0))
            for name in _OF_FRAMES
            if name in last and not np.isnan(last[name])
        }
        each = np.clip(last[_OF_CLASSES], 0.0, 1.0) if _OF_CLASSES in last else None
        return Outlook(shares.get("progress"), shares.get("outcome"), each)


def _tensor_types(metadata: HeadMetadata) -> tuple[dict[str, TensorType], dict[str, TensorType]]:
    inputs: dict[str, TensorType] = {"features": ("float", (1, None, metadata.feature_dimension))}
    outputs: dict[str, TensorType] = {
        "probabilities": ("float", (1, None, len(metadata.labels))),
        "boundary": ("float", (1, None)),
    }
    for name, shape in metadata.states.items():
        inputs[name] = ("float", shape)
        outputs[f"next_{name}"] = ("float", shape)
    return inputs, outputs
