# SPDX-License-Identifier: Apache-2.0
"""How far the action is, and whether it succeeds: told beside the segmentation, at no cost to it.

Progress hears the features and what the segmentation has made of them, and teaches the latter
nothing: the same seed gives the same segmentation with it and without it. Success is a linear
reading of the last features, one for each activity: of a hundred attempts more cannot be learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.networks.heads.causal_layers import CausalLayer, apart

# Frames over which the features that tell success are averaged.
SPANS = (1, 4, 8, 16)
_PAST = max(SPANS) - 1


class OutlookLogits(NamedTuple):
    """Of progress (B, M, T) by each member, and of success (B, C, T) by each class's activity."""

    progress: Tensor
    success: Tensor


class OutlookLayers(nn.Module):
    """Features, the segmentation's last layer and states -> logits of progress and success.

    acts, judged    bool (C,): the classes that are actions, and those of whose activity training
                    has seen both outcomes. Of other classes nothing is told.
    activity        int64 (C,): the class whose reading of success a class shares.
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
        self.register_buffer("activity", torch.arange(classes))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.enter = nn.Conv1d(dimension, channels * members, 1)
        self.hear = apart(channels, channels, members)
        self.layers = nn.ModuleList(
            CausalLayer(channels, 2**index, dropout, members) for index in range(layers)
        )
        self.progress = apart(channels, 1, members)
        self.success = nn.Conv1d(len(SPANS) * dimension, classes, 1)
        nn.init.zeros_(self.success.weight)
        nn.init.zeros_(self.success.bias)

    def forward(
        self, x: Tensor, hidden: Tensor, states: Iterator[Tensor]
    ) -> tuple[OutlookLogits, list[Tensor]]:
        """x (B, D, T), hidden (B, M channels, T) -> logits, next states."""
        # What it draws at random must not change what the segmentation draws after it.
        with torch.random.fork_rng(enabled=self.training):
            y, carried = self.enter(x) + self.hear(hidden.detach()), []
            for layer in self.layers:
                y, state = layer(y, next(states))
                carried.append(state)
        past = torch.cat([next(states), x], -1)
        means = [
            functional.avg_pool1d(past[..., _PAST - (span - 1) :], span, stride=1) for span in SPANS
        ]
        carried.append(past[..., -_PAST:])
        return OutlookLogits(self.progress(y), self.success(torch.cat(means, 1))), carried

    def tell(self, logits: OutlookLogits, probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Progress and probability of success (B, T) of the likeliest class, and the latter of
        every class (B, T, C); NaN where nothing is told.

        Of the logits and the class posterior (B, T, C).
        """
        likeliest = probabilities.argmax(-1)
        progress = logits.progress.sigmoid().mean(1)
        unknown = torch.full_like(progress, torch.nan)
        success = (self.scale * self.success_of(logits, likeliest) + self.shift).sigmoid()
        each = logits.success[:, self.activity].transpose(1, 2)
        each = (self.scale * each + self.shift).sigmoid()
        return (
            torch.where(self.acts[likeliest], progress, unknown),
            torch.where(self.judged[likeliest], success, unknown),
            torch.where(self.judged, each, torch.full_like(each, torch.nan)),
        )

    def success_of(self, logits: OutlookLogits, classes: Tensor) -> Tensor:
        """Log odds of success (B, T), not yet calibrated, of actions of these classes (B, T)."""
        return logits.success.gather(1, self.activity[classes].unsqueeze(1)).squeeze(1)

    def zero_states(self, batch: int) -> list[Tensor]:
        """States that start a sequence."""
        like = self.enter.weight
        shapes = [(len(like), layer.look_back) for layer in self.layers]
        shapes.append((like.shape[1], _PAST))
        return [like.new_zeros(batch, *shape) for shape in shapes]
