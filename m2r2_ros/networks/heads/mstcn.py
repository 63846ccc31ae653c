# SPDX-License-Identifier: Apache-2.0
"""MS-TCN: stages of dilated convolutions, each refining the posterior of the one before.

Y. Abu Farha and J. Gall, "MS-TCN: Multi-Stage Temporal Convolutional Network for Action
Segmentation", CVPR 2019. Departs from it in that features are standardised first.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from m2r2_ros.networks.heads.dilated import RefiningStage, Stage, Standardise


@dataclass(frozen=True)
class MsTcnConfig:
    """Sizes of the paper (IV)."""

    # The first one sees the features, each further one the posterior of the one before.
    stages: int = 4
    # Of a stage; the dilation doubles from layer to layer.
    layers: int = 10
    # Feature maps of a stage.
    channels: int = 64
    # Part of a layer's outputs that are set to 0 in training.
    dropout: float = 0.5


class MsTcn(nn.Module):
    """Features (T, D) -> the logits (T, C) of every stage, the last one's being the result."""

    def __init__(self, dimension: int, classes: int, config: MsTcnConfig) -> None:
        super().__init__()
        self.standardise = Standardise(dimension)
        sizes = (config.layers, config.dropout)
        refining = (
            RefiningStage(classes, config.channels, *sizes) for _ in range(config.stages - 1)
        )
        first = Stage(dimension, config.channels, classes, *sizes)
        self.stages = nn.ModuleList([first, *refining])

    def forward(self, features: Tensor) -> list[Tensor]:
        return refined(self.stages, self.standardise(features))


def refined(stages: nn.ModuleList, x: Tensor) -> list[Tensor]:
    """Logits of every stage; each but the first takes the posterior of the one before: (6), (7)."""
    logits: list[Tensor] = []
    for stage in stages:
        logits.append(stage(logits[-1].softmax(-1) if logits else x))
    return logits
