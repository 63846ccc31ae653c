# SPDX-License-Identifier: Apache-2.0
"""Actions named at run time, recognised by the similarity of a video's feature to their texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import filterfalse
from pathlib import Path

import numpy as np

from m2r2_ros.descriptions import action_sentence
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.metadata import HeadMetadata, RoboActMetadata
from m2r2_ros.inference.outcome import Outlook
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.inference.text_features import text_features
from m2r2_ros.labels import legacy_vocabulary
from m2r2_ros.vocabulary import Parts, Vocabulary


class ZeroShotHead:
    """Stands where `StreamingHead` stands, with no training: `labels` are the actions given.

    The posterior is the softmax over the actions of the mean cosine, over cameras and strides, of
    F_video and F_text, divided by the temperature of training (RoboAct-CLIP, equation (23)). It
    sees no boundaries: their probability is always 0. Progress and outcome it does not tell.
    """

    outlook = Outlook()

    def __init__(self, encoder: RoboActMetadata, sha256: str, folder: Path, actions: Sequence[str]):
        """`encoder`, `sha256`: of the `encoder.onnx` in `folder`. An action is a verb and its
        object ("Tighten cap") or a whole sentence that ends in a full stop.

        Raises M2R2Error when they are not at least two different, non-empty texts, or a text
        cannot be embedded with the folder's files.
        """
        if (
            len(set(actions)) != len(actions)
            or len(actions) < 2
            or not all(map(str.strip, actions))
        ):
            raise M2R2Error(
                f"actions must be two or more different texts, got {brief(list(actions))}"
            )
        self.path = folder
        self.vocabulary = _named(actions)
        self.labels = self.vocabulary.labels
        self.feature_dimension = encoder.feature_dimension
        self._blocks, self._temperature = encoder.blocks, encoder.temperature
        width = encoder.feature_dimension // encoder.blocks
        texts = text_features(folder, [action_sentence(text) for text in actions], width)
        self._texts = _unit(texts)
        self.sha256 = hashlib.sha256(self._texts.tobytes()).hexdigest()
        self.metadata = HeadMetadata(
            self.labels,
            self.feature_dimension,
            {},
            sha256,
            encoder.training_data,
            vocabulary=self.vocabulary,
        )

    def check_encoder(self, encoder: Encoder | RoboActEncoder) -> None:
        """Raise M2R2Error unless the features are of the encoder that the texts belong to."""
        self.metadata.check_encoder(self.path, encoder.sha256, encoder.path)

    def reset(self) -> None:
        """Do nothing: the encoder carries the past."""

    def step(self, feature: np.ndarray) -> tuple[np.ndarray, float]:
        """The posterior of the actions, float32 (C,), and 0.0, for a feature float32 (D,).

        Raises M2R2Error when the feature has another shape or is not finite.
        """
        posterior, boundary = self.run(np.asarray(feature)[np.newaxis])
        return posterior[0], float(boundary[0])

    def run(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `step` for T features (T, D): posteriors float32 (T, C), zeros float32 (T,)."""
        if features.ndim != 2 or features.shape[1] != self.feature_dimension:
            raise M2R2Error(
                f"{self.path}: takes features of {self.feature_dimension} numbers, "
                f"got an array of shape {features.shape}"
            )
        if not np.isfinite(features).all():
            raise M2R2Error(f"{self.path}: got a feature that holds NaN or inf")
        blocks = _unit(features.astype(np.float32).reshape(len(features), self._blocks, -1))
        scores = (blocks @ self._texts.T).mean(1) / self._temperature
        weights = np.exp(scores - scores.max(1, keepdims=True, initial=-np.inf))
        return weights / weights.sum(1, keepdims=True), np.zeros(len(features), np.float32)


def _named(actions: Sequence[str]) -> Vocabulary:
    """A text is its action, lower case, and its object; a sentence is an action alone."""
    try:
        known = legacy_vocabulary(actions)
        parts = {}
        for text in filterfalse(known.is_idle, actions):
            verb, _, name = ("", "", "") if text.endswith(".") else text.partition(" ")
            parts[text] = Parts((verb or text).lower(), name.strip())
        return replace(known, parts=parts)
    except M2R2Error as error:
        raise M2R2Error(f"actions: {error}") from error


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
