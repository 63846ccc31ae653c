# SPDX-License-Identifier: Apache-2.0
"""Offline heads, trained and applied: what `m2r2 train`, `predict` and `reproduce` call.

folder = FeatureFolder("features")
names = folder.split(1)
sequences, classes = read_sequences(folder, names.train, "fine")
train_offline_head("asrf", sequences, classes, Path("out/asrf"), seed=0)
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

from m2r2_ros.datasets.mstcn import FeatureFolder, LabelledFeatures
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.labels import LABEL_LEVELS, labelled_runs
from m2r2_ros.training.loop import split_validation, train_epochs
from m2r2_ros.training.offline_kinds import KINDS, Kind
from m2r2_ros.training.offline_settings import OfflineSettings
from m2r2_ros.training.run import BEST_FILE, Run, best_weights, read_settings
from m2r2_ros.training.sequences import feature_moments
from m2r2_ros.training.settings import settings_from_dict, settings_to_dict


@dataclass(frozen=True)
class OfflinePrediction:
    """What a head says of a recording of T frames.

    labels         T labels.
    classes        their ids, int64 (T,).
    probabilities  float32 (T, C), rows sum to 1. The head's confidence in `classes` is theirs.
    """

    labels: list[str]
    classes: np.ndarray
    probabilities: np.ndarray


def read_sequences(
    folder: FeatureFolder, names: Sequence[str], level: str = "fine"
) -> tuple[list[LabelledFeatures], list[str]]:
    """The recordings and the classes, fine or coarse.

    A recording with unlabelled frames gives a sequence for each of its labelled parts.
    Raises M2R2Error that names the file on whatever is wrong with one, and on features of
    different dimensions.
    """
    rename = LABEL_LEVELS[level]
    classes = list(dict.fromkeys(map(rename, folder.labels)))
    ids = np.array([classes.index(rename(label)) for label in folder.labels])
    sequences = []
    for name in names:
        read = folder.read(name)
        for part in labelled_runs(read.labels):
            renamed = list(map(rename, read.labels[part]))
            features, classes_of = read.features[part], ids[read.classes[part]]
            sequences.append(LabelledFeatures(name, features, renamed, classes_of))
    dimensions = {sequence.features.shape[1] for sequence in sequences}
    if len(dimensions) > 1:
        raise M2R2Error(f"{folder.path}: features of different dimensions: {sorted(dimensions)}")
    return sequences, classes


def train_offline_head(
    kind: str,
    training: Sequence[LabelledFeatures],
    classes: Sequence[str],
    run_folder: Path,
    *,
    validation: Sequence[LabelledFeatures] = (),
    seed: int | None = None,
    settings: OfflineSettings | None = None,
) -> Path:
    """Train a head of `kind` ("mstcn", "asrf", "diffact") into `run_folder`; go on if it was begun.

    The epoch with the highest F1@50 on the validation sequences is kept; without any, some of
    `training` are held out as the settings say. Returns the file with that epoch's weights;
    `OfflineHead.load` takes the folder. `seed` replaces the settings' one. The same call gives the
    same losses, also after a kill. Raises M2R2Error on an unknown kind, too few sequences, and a
    folder that holds a run with other settings.
    """
    chosen = _kind(kind)
    settings = settings or chosen.settings()
    if seed is not None:
        settings = replace(settings, seed=seed)
    training, validation = list(training), list(validation)
    if not validation:
        kept, held_out = split_validation(
            [s.name for s in training], settings.validation, settings.validation_recordings
        )
        training, validation = [training[i] for i in kept], [training[i] for i in held_out]
    dimension = training[0].features.shape[1]
    description = {
        "kind": kind,
        "classes": list(classes),
        "dimension": dimension,
        "training": [s.name for s in training],
        "validation": [s.name for s in validation],
        "settings": settings_to_dict(settings),
    }
    run = Run(run_folder, description)
    torch.manual_seed(settings.seed)
    network = chosen.network(dimension, len(classes), settings.model)
    network.standardise.mean, network.standardise.std = feature_moments(training)
    losses = chosen.losses(network, training, len(classes), settings)
    train_epochs(
        run,
        network,
        settings.optimiser,
        settings.seed,
        batches=lambda random: _epoch(training, random, settings.optimiser.batch_size),
        losses=lambda batch: _mean([losses(sequence) for sequence in batch]),
        validation=[[sequence] for sequence in validation],
        score=lambda: _score(network, chosen, validation),
    )
    return run_folder / BEST_FILE


class OfflineHead:
    """A trained head: whole recordings in, labels and probabilities out.

    `labels` (index = class id), `path` of the run's weights.
    """

    def __init__(self, path: Path, kind: Kind, network: nn.Module, labels: Sequence[str]) -> None:
        self.path, self.labels = path, list(labels)
        self._kind, self._network = kind, network.eval()

    @classmethod
    def load(cls, run_folder: Path) -> OfflineHead:
        """The best epoch of a run. Raises M2R2Error when the folder holds none."""
        run_folder = Path(run_folder)
        record = read_settings(run_folder)
        kind = _kind(str(record.get("kind")), f"{run_folder}: ")
        try:
            labels = [str(label) for label in record["classes"]]
            settings = settings_from_dict(kind.settings, record["settings"], str(run_folder))
            network = kind.network(record["dimension"], len(labels), settings.model)
            network.load_state_dict(best_weights(run_folder))
        except (KeyError, TypeError, RuntimeError) as error:
            raise M2R2Error(f"{run_folder}: weights and settings are not of one run") from error
        return cls(run_folder / BEST_FILE, kind, network, labels)

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
        classes, probabilities = self._kind.predict(self._network, tensor)
        return OfflinePrediction([self.labels[i] for i in classes], classes, probabilities)


def _kind(name: str, where: str = "") -> Kind:
    if name not in KINDS:
        raise M2R2Error(f"{where}no offline head '{name}'{nearest_name(name, KINDS)}")
    return KINDS[name]


def _epoch(
    sequences: Sequence[LabelledFeatures], random: np.random.Generator, size: int
) -> list[list[LabelledFeatures]]:
    order = random.permutation(len(sequences))
    return [[sequences[i] for i in order[s : s + size]] for s in range(0, len(order), size)]


def _mean(losses: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: sum(one[name] for one in losses) / len(losses) for name in losses[0]}


@torch.no_grad()
def _score(
    network: nn.Module, kind: Kind, sequences: Sequence[LabelledFeatures]
) -> dict[str, float]:
    found = (kind.validate(network, torch.from_numpy(s.features))[0] for s in sequences)
    return score_many(
        (f.tolist(), s.classes.tolist()) for f, s in zip(found, sequences, strict=True)
    )
