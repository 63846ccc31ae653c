# SPDX-License-Identifier: Apache-2.0
"""The robot's segmentation head: dilated causal convolutions with carried state.

After MS-TCN (Farha and Gall 2019: dilated stages, refinement of class posteriors) and ASRF
(Ishikawa et al. 2021: a boundary branch), with every convolution looking back only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.metadata import MOST_LOOK_AHEAD
from m2r2_ros.networks.heads.causal_layers import CausalLayer, apart
from m2r2_ros.networks.heads.outlook import OutlookLayers, OutlookLogits

# Every one takes as long as the first, in training and on the robot.
MOST_MEMBERS = 16
# Names of the outputs of an outlook, in the order of its answers.
OUTLOOK = ("progress", "outcome", "outcomes")


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
    # Dilated layers that tell how far an action is, beside the segmentation
    # and without effect on it: 5 look back 62 frames of what they hear. 0: neither progress nor
    # outcome is told.
    outlook_layers: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.look_ahead <= MOST_LOOK_AHEAD:
            raise M2R2Error(
                f"look_ahead must be in [0, {MOST_LOOK_AHEAD}] frames, got {self.look_ahead}"
            )
        if not 1 <= self.members <= MOST_MEMBERS:
            raise M2R2Error(f"members must be in [1, {MOST_MEMBERS}], got {self.members}")


class CausalAnswer(NamedTuple):
    """Per stage logits (B, M, T, C), boundary logits (B, M, T), next states, and what an outlook
    adds, None without one."""

    stages: list[Tensor]
    boundary: Tensor
    states: list[Tensor]
    outlook: OutlookLogits | None


class ToldFrames(NamedTuple):
    """What the exported graph gives: probabilities (B, T, C), boundary (B, T) in [0, 1], next
    states, and the outputs that it may lack, by name: (B, T), of every class (B, T, C)."""

    probabilities: Tensor
    boundary: Tensor
    states: list[Tensor]
    outlook: dict[str, Tensor]


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
        enters += [apart(classes, channels, members) for _ in range(config.refinements)]
        self.stages = nn.ModuleList(_Stage(enter, config) for enter in enters)
        self.classifiers = nn.ModuleList(apart(channels, classes, members) for _ in self.stages)
        self.boundary = apart(channels, 1, members)
        self.feature_dropout = nn.Dropout1d(config.dropout / 2)
        # The last to be made: what is drawn for the others stays the same without it.
        self.outlook: OutlookLayers | None = None
        if config.outlook_layers:
            sizes = channels, config.outlook_layers, members, config.dropout
            self.outlook = OutlookLayers(dimension, classes, *sizes)

    def forward(
        self, features: Tensor, states: list[Tensor]
    ) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        """Returns per stage logits (B, M, T, C), boundary logits (B, M, T), next states."""
        return self.answer(features, states)[:3]

    def answer(self, features: Tensor, states: list[Tensor]) -> CausalAnswer:
        """All that `forward` returns, and the logits of the outlook."""
        x = ((features - self.mean) / self.std).transpose(1, 2)
        x = seen = self.feature_dropout(x)
        remaining, next_states, logits = iter(states), [], []
        boundary = outlook = None
        for stage, classifier in zip(self.stages, self.classifiers, strict=True):
            hidden, carried = stage(x, remaining)
            next_states += carried
            found = classifier(hidden).unflatten(1, (self.config.members, self.classes))
            logits.append(found.transpose(2, 3))
            x = found.softmax(2).flatten(1, 2)
            if boundary is None:
                boundary, first = self.boundary(hidden), hidden
        if self.outlook is not None:
            outlook, carried = self.outlook(seen, first, remaining)
            next_states += carried
        return CausalAnswer(logits, boundary, next_states, outlook)

    def predict(
        self, features: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Probabilities (B, T, C), boundary (B, T) in [0, 1], next states."""
        return self.tell(features, states)[:3]

    def tell(self, features: Tensor, states: list[Tensor]) -> ToldFrames:
        """The exported form."""
        stages, boundary, next_states, outlook = self.answer(features, states)
        probabilities = (stages[-1] / self.temperature).softmax(-1).mean(1)
        told = {}
        if self.outlook is not None:
            told = dict(zip(OUTLOOK, self.outlook.tell(outlook, probabilities), strict=True))
        return ToldFrames(probabilities, boundary.sigmoid().mean(1), next_states, told)

    @property
    def told(self) -> tuple[str, ...]:
        """Names of the outputs that it has learned and others lack."""
        if self.outlook is None:
            return ()
        return OUTLOOK if self.outlook.judged.any() else OUTLOOK[:1]

    def zero_states(self, batch: int = 1) -> list[Tensor]:
        """States that start a sequence: each stage's layers' (batch, members x channels, look
        back), then the outlook's."""
        channels = self.config.members * self.config.channels
        states = [
            torch.zeros(batch, channels, look_back, device=self.mean.device)
            for look_back in self.look_backs
        ]
        return states if self.outlook is None else states + self.outlook.zero_states(batch)

    @property
    def look_backs(self) -> list[int]:
        """Frames that each convolution of the stages carries over."""
        return [layer.look_back for stage in self.stages for layer in stage.layers]


class _Stage(nn.Module):
    """What enters, then (B, M channels, T) through layers of doubling dilation."""

    def __init__(self, enter: nn.Conv1d, config: CausalConfig) -> None:
        super().__init__()
        self.enter = enter
        self.layers = nn.ModuleList(
            CausalLayer(config.channels, 2**index, config.dropout, config.members)
            for index in range(config.layers)
        )

    def forward(self, x: Tensor, states: Iterator[Tensor]) -> tuple[Tensor, list[Tensor]]:
        x, carried = self.enter(x), []
        for layer in self.layers:
            x, state = layer(x, next(states))
            carried.append(state)
        return x, carried
