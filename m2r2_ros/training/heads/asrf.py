# SPDX-License-Identifier: Apache-2.0
"""`m2r2 train --head asrf`: ASRF (Ishikawa et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.networks.heads.asrf import Asrf, AsrfConfig, refine
from m2r2_ros.training.loop import Losses
from m2r2_ros.training.offline_method import (
    OfflineMethod,
    OfflineSettings,
    SequenceLosses,
    class_weights,
    mean,
    tensors,
)
from m2r2_ros.training.segmentation_losses import change_loss, find_starts


@dataclass(frozen=True)
class AsrfSettings(OfflineSettings):
    """The paper's, 3.3 and 4.1, but for class weights.

    The paper weighs the classes by median frequency. With 69 of them in some thirty recordings the
    later stages then learn much later: after six epochs the fourth knew 20 % of the training
    frames, without the weights 50 %. `class_weights: true` brings them back.
    """

    model: AsrfConfig = field(default_factory=AsrfConfig)
    # Of the similarity-weighted smoothing; the paper adds it as it is.
    smoothing_weight: float = 1.0
    # lambda of the boundary branch.
    boundary_weight: float = 0.1


def asrf_losses(
    network: Asrf, training: Sequence[LabelledFeatures], classes: int, settings: AsrfSettings
) -> SequenceLosses:
    """Means over the stages of both branches: 3.3."""
    weights = class_weights(training, classes, settings)
    positive = torch.tensor(boundary_weight([s.classes for s in training]))

    def losses(sequence: LabelledFeatures) -> Losses:
        features, target = tensors(sequence)
        stages, boundaries = network(features)
        similarity = gaussian_similarity(network.standardise(features))
        entropy = mean(functional.cross_entropy(stage, target, weights) for stage in stages)
        smoothing = mean(change_loss(stage, similarity, hold_past=False) for stage in stages)
        starts = find_starts(target)
        edges = mean(
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


def boundary_weight(classes: Sequence[np.ndarray]) -> float:
    """Weight of boundary frames: the reciprocal of their share (3.3.2)."""
    boundaries = sum(int((np.diff(one) != 0).sum()) for one in classes)
    return sum(map(len, classes)) / max(1, boundaries)


def gaussian_similarity(features: Tensor, sigma: float = 1.0) -> Tensor:
    """exp(-d^2 / (2 sigma^2)) in (0, 1] for each pair of neighbouring frames, (T, D) -> (T - 1,).

    The similarity of 3.3.1.
    """
    squared = (features[1:] - features[:-1]).square().sum(1)
    return (-squared / (2 * sigma**2)).exp()


def _predict(network: Asrf, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    stages, boundaries = network(features)
    probabilities, boundary = stages[-1].softmax(-1).numpy(), boundaries[-1].sigmoid().numpy()
    return refine(probabilities, boundary, network.config.boundary_threshold)


HEAD = OfflineMethod(Asrf, AsrfSettings, asrf_losses, _predict)
