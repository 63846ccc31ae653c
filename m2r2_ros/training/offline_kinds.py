# SPDX-License-Identifier: Apache-2.0
"""The kinds of offline heads: network, settings, losses and prediction of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.networks.heads.asrf import Asrf, refine
from m2r2_ros.networks.heads.ms_tcn import MsTcn
from m2r2_ros.training.loop import Losses
from m2r2_ros.training.offline_settings import AsrfSettings, MsTcnSettings, OfflineSettings
from m2r2_ros.training.segmentation_losses import (
    boundary_weight,
    change_loss,
    find_starts,
    gaussian_similarity,
    median_frequency_weights,
)

SequenceLosses = Callable[[LabelledFeatures], Losses]


@dataclass(frozen=True)
class Kind:
    """`network(dimension, classes, config)`; `losses(network, training, classes, settings)` gives
    the function that scores a sequence; `predict(network, features (T, D))` gives classes int64
    (T,) and probabilities float32 (T, C)."""

    network: Callable[[int, int, Any], nn.Module]
    settings: type[OfflineSettings]
    losses: Callable[[Any, Sequence[LabelledFeatures], int, Any], SequenceLosses]
    predict: Callable[[Any, Tensor], tuple[np.ndarray, np.ndarray]]


def ms_tcn_losses(
    network: MsTcn, training: Sequence[LabelledFeatures], classes: int, settings: MsTcnSettings
) -> SequenceLosses:
    """Cross entropy and truncated smoothing, summed over the stages: MS-TCN, (8) to (13)."""
    weights = _weights(training, classes, settings)

    def losses(sequence: LabelledFeatures) -> Losses:
        features, target = _tensors(sequence)
        stages = network(features)
        entropy = sum(functional.cross_entropy(stage, target, weights) for stage in stages)
        smoothing = sum(change_loss(stage) for stage in stages)
        return {
            "loss": entropy + settings.smoothing_weight * smoothing,
            "cross_entropy": entropy,
            "smoothing": smoothing,
        }

    return losses


def asrf_losses(
    network: Asrf, training: Sequence[LabelledFeatures], classes: int, settings: AsrfSettings
) -> SequenceLosses:
    """Means over the stages of both branches: ASRF, 3.3."""
    weights = _weights(training, classes, settings)
    positive = torch.tensor(boundary_weight([s.classes for s in training]))

    def losses(sequence: LabelledFeatures) -> Losses:
        features, target = _tensors(sequence)
        stages, boundaries = network(features)
        similarity = gaussian_similarity(network.standardise(features))
        entropy = _mean(functional.cross_entropy(stage, target, weights) for stage in stages)
        smoothing = _mean(change_loss(stage, similarity, hold_past=False) for stage in stages)
        starts = find_starts(target)
        edges = _mean(
            functional.binary_cross_entropy_with_logits(stage, starts, pos_weight=positive)
            for stage in boundaries
        )
        loss = entropy + settings.smoothing_weight * smoothing + settings.boundary_weight * edges
        return {
            "loss": loss,
            "cross_entropy": entropy,
            "smoothing": smoothing,
            "boundary": edges,
        }

    return losses


def _predict_ms_tcn(network: MsTcn, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    probabilities = network(features)[-1].softmax(-1).numpy()
    return probabilities.argmax(1), probabilities


def _predict_asrf(network: Asrf, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    stages, boundaries = network(features)
    probabilities, boundary = stages[-1].softmax(-1).numpy(), boundaries[-1].sigmoid().numpy()
    return refine(probabilities, boundary, network.config.boundary_threshold)


KINDS = {
    "mstcn": Kind(MsTcn, MsTcnSettings, ms_tcn_losses, _predict_ms_tcn),
    "asrf": Kind(Asrf, AsrfSettings, asrf_losses, _predict_asrf),
}


def _weights(
    training: Sequence[LabelledFeatures], classes: int, settings: OfflineSettings
) -> Tensor | None:
    if not settings.class_weights:
        return None
    return median_frequency_weights([s.classes for s in training], classes)


def _tensors(sequence: LabelledFeatures) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(sequence.features), torch.from_numpy(sequence.classes)


def _mean(values: Any) -> Tensor:
    listed = list(values)
    return sum(listed) / len(listed)
