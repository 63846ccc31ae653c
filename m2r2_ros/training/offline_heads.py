# SPDX-License-Identifier: Apache-2.0
"""Offline heads, trained and applied: what `m2r2 predict` and `m2r2 reproduce` call.

folder = FeatureFolder("features")
names = folder.split(1)
sequences, vocabulary = read_sequences(folder, names.train, folder_vocabulary(folder).vocabulary)
train_offline_head("asrf", sequences, vocabulary, Path("out/asrf"), seed=0)
head = OfflineHead.load(Path("out/asrf"))
prediction = head.predict(folder.features(names.test[0]))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE, find_vocabulary
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.training.head_registry import find_head, head_names
from m2r2_ros.training.offline_method import OfflineMethod, OfflineSettings
from m2r2_ros.training.run import BEST_FILE, SETTINGS_FILE, best_weights, read_settings
from m2r2_ros.training.settings import settings_from_dict
from m2r2_ros.vocabulary import Vocabulary


@dataclass(frozen=True)
class OfflinePrediction:
    """A head's answers on a recording of T frames.

    labels         T labels.
    classes        their ids, int64 (T,).
    probabilities  float32 (T, C), rows sum to 1. The head's confidence in `classes` is theirs.
    """

    labels: list[str]
    classes: np.ndarray
    probabilities: np.ndarray


def train_offline_head(
    name: str,
    training: Sequence[LabelledFeatures],
    vocabulary: Vocabulary,
    run_folder: Path,
    *,
    validation: Sequence[LabelledFeatures] = (),
    seed: int | None = None,
    settings: OfflineSettings | None = None,
    rate: FrameRate = FrameRate(),  # noqa: B008 (frozen)
) -> Path:
    """Train the offline head `name` into `run_folder`; go on if it was begun.

    The epoch with the highest F1@50 on the validation sequences is kept; without any, some of
    `training` are held out as the settings say. Returns the file with that epoch's weights;
    `OfflineHead.load` takes the folder. `seed` replaces the settings' one. The same call gives the
    same losses, also after a kill. Raises M2R2Error on an unknown name, too few sequences, and a
    folder that holds a run with other settings.
    """
    method = _offline_method(name)
    settings = settings or method.settings()
    if seed is not None:
        settings = replace(settings, seed=seed)
    return method.fit(name, training, validation, vocabulary, run_folder, settings, rate)


class OfflineHead:
    """A trained head: whole recordings in, labels and probabilities out.

    `labels` (index = class id), `path` of the run's weights; as the run states them, None where it
    does not, `vocabulary` of the labels and `rate` of the frames.
    """

    def __init__(
        self,
        path: Path,
        method: OfflineMethod,
        network: nn.Module,
        labels: Sequence[str],
        vocabulary: Vocabulary | None = None,
        rate: FrameRate | None = None,
    ) -> None:
        self.path, self.labels, self.vocabulary = path, list(labels), vocabulary
        self.rate = rate
        self._method, self._network = method, network.eval()

    @classmethod
    def load(cls, run_folder: Path) -> OfflineHead:
        """The best epoch of a run. Raises M2R2Error when the folder holds none."""
        run_folder = Path(run_folder)
        record = read_settings(run_folder)
        method = _offline_method(str(record.get("kind")), f"{run_folder}: ")
        try:
            labels = [str(label) for label in record["classes"]]
            settings = settings_from_dict(method.settings, record["settings"], str(run_folder))
            network = method.network(record["dimension"], len(labels), settings.model)
            network.load_state_dict(best_weights(run_folder))
            rate = (
                FrameRate(record["rate_hz"], record["sample_rate"]) if "rate_hz" in record else None
            )
        except (KeyError, TypeError, RuntimeError) as error:
            raise M2R2Error(f"{run_folder}: weights and settings are not of one run") from error
        stated = _stated(run_folder, labels)
        return cls(run_folder / BEST_FILE, method, network, labels, stated, rate)

    @property
    def feature_dimension(self) -> int:
        """D of the features that it takes."""
        return len(self._network.standardise.mean)

    @torch.no_grad()
    def predict(self, features: np.ndarray, name: str = "features") -> OfflinePrediction:
        """Segment a recording, float32 (T, D); the same features give the same prediction.

        Raises M2R2Error, which calls them `name`, when they are of another dimension or not
        finite.
        """
        if features.ndim != 2 or features.shape[1] != self.feature_dimension or not len(features):
            raise M2R2Error(
                f"{self.path}: takes features of {self.feature_dimension} numbers, {name} is an "
                f"array of shape {features.shape}"
            )
        if not np.isfinite(features).all():
            raise M2R2Error(f"{name}: holds NaN or infinite values")
        tensor = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        classes, probabilities = self._method.predict(self._network, tensor)
        return OfflinePrediction([self.labels[i] for i in classes], classes, probabilities)


def _stated(run_folder: Path, labels: list[str]) -> Vocabulary | None:
    vocabulary = find_vocabulary(run_folder)
    if vocabulary is not None and list(vocabulary.labels) != labels:
        raise M2R2Error(f"{run_folder}: {VOCABULARY_FILE} is not of the run in {SETTINGS_FILE}")
    return vocabulary


def _offline_method(name: str, where: str = "") -> OfflineMethod:
    method = find_head(name) if name in head_names() else None
    if method is not None and not isinstance(method, OfflineMethod):
        raise M2R2Error(
            f"{where}'{name}' is a streaming head: `m2r2 evaluate --model` and `m2r2 segment` run "
            "its head.onnx"
        )
    if method is None:
        raise M2R2Error(f"{where}no offline head '{name}'{nearest_name(name, head_names())}")
    return method
