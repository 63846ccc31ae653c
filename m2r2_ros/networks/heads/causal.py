# SPDX-License-Identifier: Apache-2.0
"""The robot's segmentation head: dilated causal convolutions with carried state.

After MS-TCN (Farha and Gall 2019: dilated stages, refinement of class posteriors) and ASRF
(Ishikawa et al. 2021: a boundary branch), with every convolution looking back only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.metadata import MOST_LOOK_AHEAD
from m2r2_ros.networks.heads.dilated import Dropout

KERNEL = 3
# Every one takes as long as the first, in training and on the robot.
MOST_MEMBERS = 16


@dataclass(frozen=True)
class CausalConfig:
    """Sizes of the head; the defaults are those of the shipped model."""

    # Feature maps of a stage.
    channels: int = 64
    # Dilation doubles from layer to layer: 9 layers look back 1022 frames.
    layers: int = 9
    # Stages that refine the class posterior of the stage before. MS-TCN's smooth it; what sees the
    # past only can smooth by lagging alone: with one, actions that begin alike were told apart
    # 0.2 s later.
    refinements: int = 0
    # Networks side by side in one graph, trained from other weights and with other parts dropped;
    # the answer is the mean of theirs.
    members: int = 3
    # Part of a layer's outputs that are set to 0 in training.
    dropout: float = 0.3
    # Frames that it sees before it answers: its output at frame t is about frame t - look_ahead,
    # before that about the first frame. The network is the same, only its training differs.
    look_ahead: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.look_ahead <= MOST_LOOK_AHEAD:
            raise M2R2Error(
                f"look_ahead must be in [0, {MOST_LOOK_AHEAD}] frames, got {self.look_ahead}"
            )
        if not 1 <= self.members <= MOST_MEMBERS:
            raise M2R2Error(f"members must be in [1, {MOST_MEMBERS}], got {self.members}")


class CausalHead(nn.Module):
    """Features (B, T, D) and states -> logits of every stage, boundary logits, next states.

    Zero states start a sequence. The whole sequence at once and any chunks with carried states are
    the same computation: each convolution sees its last inputs in front of the new ones. Its M
    members are groups of channels that see nothing of one another.
    """

    def __init__(self, dimension: int, classes: int, config: CausalConfig) -> None:
        super().__init__()
        self.config, self.dimension, self.classes = config, dimension, classes
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("std", torch.ones(dimension))
        self.register_buffer("temperature", torch.ones(()))
        channels, members = config.channels, config.members
        enters = [nn.Conv1d(dimension, channels * members, 1)]
        enters += [_apart(classes, channels, members) for _ in range(config.refinements)]
        self.stages = nn.ModuleList(_Stage(enter, config) for enter in enters)
        self.classifiers = nn.ModuleList(_apart(channels, classes, members) for _ in self.stages)
        self.boundary = _apart(channels, 1, members)
        self.feature_dropout = nn.Dropout1d(config.dropout / 2)

    def forward(
        self, features: Tensor, states: list[Tensor]
    ) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        """Returns per stage logits (B, M, T, C), boundary logits (B, M, T), next states."""
        x = ((features - self.mean) / self.std).transpose(1, 2)
        x = self.feature_dropout(x)
        remaining, next_states, logits = iter(states), [], []
        boundary = None
        for stage, classifier in zip(self.stages, self.classifiers, strict=True):
            hidden, carried = stage(x, remaining)
            next_states += carried
            found = classifier(hidden).unflatten(1, (self.config.members, self.classes))
            logits.append(found.transpose(2, 3))
            x = found.softmax(2).flatten(1, 2)
            if boundary is None:
                boundary = self.boundary(hidden)
        return logits, boundary, next_states

    def predict(
        self, features: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The exported form: probabilities (B, T, C), boundary (B, T) in [0, 1], next states."""
        logits, boundary, next_states = self(features, states)
        probabilities = (logits[-1] / self.temperature).softmax(-1).mean(1)
        return probabilities, boundary.sigmoid().mean(1), next_states

    def zero_states(self, batch: int = 1) -> list[Tensor]:
        """States that start a sequence, each (batch, members x channels, look back)."""
        channels = self.config.members * self.config.channels
        return [
            torch.zeros(batch, channels, look_back, device=self.mean.device)
            for look_back in self.look_backs
        ]

    @property
    def look_backs(self) -> list[int]:
        """Frames that each convolution carries over."""
        return [layer.look_back for stage in self.stages for layer in stage.layers]


class _Stage(nn.Module):
    """What enters, then (B, M channels, T) through layers of doubling dilation."""

    def __init__(self, enter: nn.Conv1d, config: CausalConfig) -> None:
        super().__init__()
        self.enter = enter
        self.layers = nn.ModuleList(
            _Layer(config.channels, 2**index, config.dropout, config.members)
            for index in range(config.layers)
        )

    def forward(self, x: Tensor, states: object) -> tuple[Tensor, list[Tensor]]:
        x, carried = self.enter(x), []
        for layer in self.layers:
            x, state = layer(x, next(states))
            carried.append(state)
        return x, carried


class _Layer(nn.Module):
    """Residual dilated convolution over [state, x]; returns the last inputs as the next state."""

    def __init__(self, channels: int, dilation: int, dropout: float, members: int = 1) -> None:
        super().__init__()
        self.look_back = (KERNEL - 1) * dilation
        self.dilated = _apart(channels, channels, members, KERNEL, dilation)
        self.mix = _apart(channels, channels, members)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        past = torch.cat([state, x], -1)
        y = self.mix(torch.relu(self.dilated(past)))
        return x + self.dropout(y), past[..., -self.look_back :]


def _apart(
    inputs: int, outputs: int, members: int, kernel: int = 1, dilation: int = 1
) -> nn.Conv1d:
    """A convolution from `inputs` to `outputs` channels of each member."""
    return nn.Conv1d(inputs * members, outputs * members, kernel, dilation=dilation, groups=members)
