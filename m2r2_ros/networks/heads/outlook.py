# SPDX-License-Identifier: Apache-2.0
"""How far the action is, and whether it succeeds: told beside the segmentation, at no cost to it.

It hears the features and what the segmentation has made of them, and teaches the latter nothing:
the same seed gives the same segmentation with it and without it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from m2r2_ros.networks.heads.causal_layers import CausalLayer, apart

_ANSWERS = 2


class OutlookLayers(nn.Module):
    """Features, the segmentation's last layer and states -> logits of progress and success.

    acts, judged    bool (C,): the classes that are actions, and those of whose activity training
                    has seen both outcomes. Of other classes nothing is told.
    scale, shift    calibrate the logits of success.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        channels: int,
        layers: int,
        members: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.members = members
        self.register_buffer("acts", torch.zeros(classes, dtype=torch.bool))
        self.register_buffer("judged", torch.zeros(classes, dtype=torch.bool))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.enter = nn.Conv1d(dimension, channels * members, 1)
        self.hear = apart(channels, channels, members)
        self.layers = nn.ModuleList(
            CausalLayer(channels, 2**index, dropout, members) for index in range(layers)
        )
        self.answers = apart(channels, _ANSWERS, members)

    def forward(
        self, x: Tensor, hidden: Tensor, states: Iterator[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """x (B, D, T), hidden (B, M channels, T) -> logits (B, M, 2, T), next states."""
        # What it draws at random must not change what the segmentation draws after it.
        with torch.random.fork_rng(enabled=self.training):
            y, carried = self.enter(x) + self.hear(hidden.detach()), []
            for layer in self.layers:
                y, state = layer(y, next(states))
                carried.append(state)
            return self.answers(y).unflatten(1, (self.members, _ANSWERS)), carried

    def tell(self, logits: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """Progress and probability of success (B, T), NaN where nothing is told.

        Of logits (B, M, 2, T) and the class posterior (B, T, C).
        """
        likeliest = probabilities.argmax(-1)
        unknown = torch.full_like(logits[:, 0, 0], torch.nan)
        progress = logits[:, :, 0].sigmoid().mean(1)
        # Their mean as log odds, so that calibration and the tracker's mean over frames commute.
        success = (self.scale * logits[:, :, 1].mean(1) + self.shift).sigmoid()
        return (
            torch.where(self.acts[likeliest], progress, unknown),
            torch.where(self.judged[likeliest], success, unknown),
        )
