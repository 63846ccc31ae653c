# SPDX-License-Identifier: Apache-2.0
"""The part that offline heads share: settings, and training on whole recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.training.head_registry import NOTHING_RECOGNISED, HeadMethod
from m2r2_ros.training.loop import Losses, train_epochs
from m2r2_ros.training.run import BEST_FILE, TrainingRun, best_metrics
from m2r2_ros.training.segmentation_losses import median_frequency_weights
from m2r2_ros.training.sequences import feature_moments, held_out
from m2r2_ros.training.settings import OptimiserSettings, settings_to_dict
from m2r2_ros.vocabulary import Vocabulary

SequenceLosses = Callable[[LabelledFeatures], Losses]
# Of a network and features (T, D): classes int64 (T,) and probabilities float32 (T, C).
Predict = Callable[[Any, Tensor], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class OfflineSettings:
    """The settings of every offline head; each adds `model`, the sizes of its network."""

    # Of everything that training draws at random.
    seed: int = 0
    # The mean loss of batch_size sequences makes a step of the optimiser.
    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(
            epochs=50, batch_size=1, learning_rate=5e-4, weight_decay=1e-4
        )
    )
    # Weigh the cross entropy by how rare the classes are.
    class_weights: bool = False
    # Part of the training recordings, or of their groups, that are kept for validation. 0: none,
    # all are trained on up to the last epoch.
    validation: float = 0.15
    # Their names, instead of a part: best those that the encoder was not trained on.
    validation_recordings: tuple[str, ...] = ()


@dataclass(frozen=True)
class OfflineMethod(HeadMethod):
    """An offline head.

    network   of (dimension, classes, settings.model): the module, whose `standardise` is a
              Standardise.
    losses    of (network, training sequences, classes, settings): what scores a sequence.
    predict   classes and probabilities of a recording; `validate`, if given, is a cheaper form for
              the end of every epoch.
    """

    network: Callable[[int, int, Any], nn.Module]
    settings: type[OfflineSettings]
    losses: Callable[[Any, Sequence[LabelledFeatures], int, Any], SequenceLosses]
    predict: Predict
    validate: Predict | None = None
    streams: ClassVar[bool] = False

    def train(
        self,
        name: str,
        sequences: Sequence[LabelledFeatures],
        vocabulary: Vocabulary,
        out: Path,
        settings: OfflineSettings,
        data: Path,
        rate: FrameRate = FrameRate(),  # noqa: B008 (frozen)
    ) -> str:
        """Some of the sequences are held out for validation, as the settings say."""
        weights = self.fit(name, sequences, (), vocabulary, out, settings, rate)
        best = best_metrics(out)
        f1, said = best.get("validation/f1@50"), f"{weights}: epoch {best['epoch'] + 1}"
        if f1 is None:
            return f"{said}, the last one"
        said = f"{said}, F1@50 {f1:.1f} on the validation recordings"
        return said if f1 else f"{said}\n{NOTHING_RECOGNISED}"

    def fit(
        self,
        name: str,
        training: Sequence[LabelledFeatures],
        validation: Sequence[LabelledFeatures],
        vocabulary: Vocabulary,
        out: Path,
        settings: OfflineSettings,
        rate: FrameRate = FrameRate(),  # noqa: B008 (frozen)
    ) -> Path:
        """Train and return the file with the best epoch's weights; `validation` may be empty."""
        if not validation:
            training, validation = held_out(training, settings)
        dimension = training[0].features.shape[1]
        description = {
            "kind": name,
            "classes": list(vocabulary.labels),
            "dimension": dimension,
            "training": [s.name for s in training],
            "validation": [s.name for s in validation],
            "settings": settings_to_dict(settings),
            **asdict(rate),
        }
        run, classes = TrainingRun(out, description, vocabulary), len(vocabulary.labels)
        torch.manual_seed(settings.seed)
        network = self.network(dimension, classes, settings.model)
        network.standardise.mean, network.standardise.std = feature_moments(training)
        losses = self.losses(network, training, classes, settings)
        train_epochs(
            run,
            network,
            settings.optimiser,
            settings.seed,
            batches=lambda random: _epoch(training, random, settings.optimiser.batch_size),
            losses=lambda batch: _mean_losses([losses(sequence) for sequence in batch]),
            validation=[[sequence] for sequence in validation],
            score=lambda: _score(network, self.validate or self.predict, validation),
        )
        return out / BEST_FILE


def class_weights(
    training: Sequence[LabelledFeatures], classes: int, settings: OfflineSettings
) -> Tensor | None:
    """Median frequency weights (C,) of the classes, where the settings ask for weights."""
    if not settings.class_weights:
        return None
    return median_frequency_weights([s.classes for s in training], classes)


def tensors(sequence: LabelledFeatures) -> tuple[Tensor, Tensor]:
    """Features float32 (T, D) and classes int64 (T,)."""
    return torch.from_numpy(np.asarray(sequence.features)), torch.from_numpy(sequence.classes)


def mean(values: Iterable[Tensor]) -> Tensor:
    """The mean of losses, of several stages or sequences."""
    listed = list(values)
    return sum(listed) / len(listed)


def _epoch(
    sequences: Sequence[LabelledFeatures], random: np.random.Generator, size: int
) -> list[list[LabelledFeatures]]:
    order = random.permutation(len(sequences))
    return [[sequences[i] for i in order[s : s + size]] for s in range(0, len(order), size)]


def _mean_losses(losses: Sequence[Losses]) -> Losses:
    return {name: mean(one[name] for one in losses) for name in losses[0]}


@torch.no_grad()
def _score(
    network: nn.Module, predict: Predict, sequences: Sequence[LabelledFeatures]
) -> dict[str, float]:
    if not sequences:
        return {}
    found = (predict(network, tensors(s)[0])[0] for s in sequences)
    return score_many(
        (f.tolist(), s.classes.tolist()) for f, s in zip(found, sequences, strict=True)
    )
