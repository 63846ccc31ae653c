# SPDX-License-Identifier: Apache-2.0
"""`m2r2 train --head mstcn`: MS-TCN (Abu Farha and Gall 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor
from torch.nn import functional

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.networks.heads.mstcn import MsTcn, MsTcnConfig
from m2r2_ros.training.loop import Losses
from m2r2_ros.training.offline_method import (
    OfflineMethod,
    OfflineSettings,
    SequenceLosses,
    class_weights,
    tensors,
)
from m2r2_ros.training.segmentation_losses import change_loss


@dataclass(frozen=True)
class MsTcnSettings(OfflineSettings):
    """The paper's, IV."""

    model: MsTcnConfig = field(default_factory=MsTcnConfig)
    # lambda of equation (12).
    smoothing_weight: float = 0.15


def ms_tcn_losses(
    network: MsTcn, training: Sequence[LabelledFeatures], classes: int, settings: MsTcnSettings
) -> SequenceLosses:
    """Cross entropy and truncated smoothing, summed over the stages: (8) to (13)."""
    weights = class_weights(training, classes, settings)

    def losses(sequence: LabelledFeatures) -> Losses:
        features, target = tensors(sequence)
        stages = network(features)
        entropy = sum(functional.cross_entropy(stage, target, weights) for stage in stages)
        smoothing = sum(change_loss(stage) for stage in stages)
        return {
            "loss": entropy + settings.smoothing_weight * smoothing,
            "cross_entropy": entropy,
            "smoothing": smoothing,
        }

    return losses


def _predict(network: MsTcn, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    probabilities = network(features)[-1].softmax(-1).numpy()
    return probabilities.argmax(1), probabilities


HEAD = OfflineMethod(MsTcn, MsTcnSettings, ms_tcn_losses, _predict)
