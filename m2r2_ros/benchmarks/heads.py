# SPDX-License-Identifier: Apache-2.0
"""What an epoch of training an offline head costs: 40 sequences of 3,000 frames x 512, 69 classes.

Ours: `m2r2 train`'s networks and losses. Reference: the straightforward way, with torch's own
convolutions and dropout on (1, C, T), one sequence at a time. Both take the same steps: the same
sizes, losses, optimiser and sequences in memory, on one thread. An epoch is 40 times the same
work, so a few sequences are timed and scaled up; CPU time, so that what else runs does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.benchmarks.comparison import compare, cpu_seconds_of
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.training.head_registry import find_head
from m2r2_ros.training.heads.asrf import AsrfSettings, boundary_weight
from m2r2_ros.training.heads.mstcn import MsTcnSettings
from m2r2_ros.training.loop import ParameterGroup, make_optimiser

SEQUENCES, FRAMES, DIMENSION, CLASSES = 40, 3000, 512, 69
# Of an epoch's sequences, those that one measurement goes through.
_TIMED = 4
_SEGMENT_FRAMES = 100


def run(options: Options) -> dict[str, Any]:
    """CPU seconds an epoch of MS-TCN and of ASRF; `ratio` is the larger of the two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        sequences = [made_up_sequence(seed, FRAMES) for seed in range(_TIMED)]
        results = {
            head: _compare(head, reference, sequences, options.repetitions)
            for head, reference in (("mstcn", PlainMsTcn), ("asrf", PlainAsrf))
        }
    finally:
        torch.set_num_threads(threads)
    return {"ratio": max(result["ratio"] for result in results.values()), **results}


def made_up_sequence(seed: int, frames: int) -> LabelledFeatures:
    """Random features (T, 512) under random labels of 100 frames each."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, CLASSES, -(-frames // _SEGMENT_FRAMES))
    classes = classes.repeat(_SEGMENT_FRAMES)[:frames]
    features = random.normal(size=(frames, DIMENSION)).astype(np.float32)
    return LabelledFeatures(str(seed), features, [str(label) for label in classes], classes)


class PlainStage(nn.Module):
    """A single-stage TCN of torch's layers, (1, inputs, T) -> (1, outputs, T)."""

    def __init__(self, inputs: int, outputs: int, layers: int = 10, channels: int = 64) -> None:
        super().__init__()
        self.enter = nn.Conv1d(inputs, channels, 1)
        self.dilated = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=2**i, dilation=2**i) for i in range(layers)
        )
        self.mix = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(layers))
        self.dropout = nn.Dropout(0.5)
        self.leave = nn.Conv1d(channels, outputs, 1)

    def hidden(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for dilated, mix in zip(self.dilated, self.mix, strict=True):
            x = x + self.dropout(mix(functional.relu(dilated(x))))
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.hidden(x))


class PlainMsTcn(nn.Module):
    """MS-TCN with its loss."""

    def __init__(self, sequences: list[LabelledFeatures]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            PlainStage(width, CLASSES) for width in (DIMENSION, CLASSES, CLASSES, CLASSES)
        )

    def loss(self, features: Tensor, classes: Tensor) -> Tensor:
        x, loss = features, torch.zeros(())
        for index, stage in enumerate(self.stages):
            logits = stage(x if index == 0 else x.softmax(1))
            loss = loss + functional.cross_entropy(logits, classes)
            loss = loss + MsTcnSettings().smoothing_weight * _smoothing(logits, hold_past=True)
            x = logits
        return loss


class PlainAsrf(nn.Module):
    """ASRF with its losses."""

    def __init__(self, sequences: list[LabelledFeatures]) -> None:
        super().__init__()
        self.first = PlainStage(DIMENSION, CLASSES)
        self.boundary = nn.Conv1d(64, 1, 1)
        self.classes = nn.ModuleList(PlainStage(CLASSES, CLASSES) for _ in range(3))
        self.boundaries = nn.ModuleList(PlainStage(1, 1) for _ in range(3))
        labels = [sequence.classes for sequence in sequences]
        self.register_buffer("positive", torch.tensor(boundary_weight(labels)))

    def loss(self, features: Tensor, classes: Tensor) -> Tensor:
        shared = self.first.hidden(features)
        logits, edges = [self.first.leave(shared)], [self.boundary(shared)]
        for stage in self.classes:
            logits.append(stage(logits[-1].softmax(1)))
        for stage in self.boundaries:
            edges.append(stage(edges[-1].sigmoid()))
        starts = functional.pad((classes[:, 1:] != classes[:, :-1]).float(), (1, 0))
        squared = (features[..., 1:] - features[..., :-1]).square().sum(1, keepdim=True)
        similarity = (-squared / 2).exp()
        settings, loss = AsrfSettings(), torch.zeros(())
        for stage in logits:
            loss = loss + functional.cross_entropy(stage, classes) / len(logits)
            smoothing = _smoothing(stage, hold_past=False, weight=similarity)
            loss = loss + settings.smoothing_weight * smoothing / len(logits)
        for stage in edges:
            entropy = functional.binary_cross_entropy_with_logits(
                stage[:, 0], starts, pos_weight=self.positive
            )
            loss = loss + settings.boundary_weight * entropy / len(edges)
        return loss


def _smoothing(logits: Tensor, hold_past: bool, weight: Tensor | float = 1.0) -> Tensor:
    now = functional.log_softmax(logits[:, :, 1:], 1)
    past = functional.log_softmax((logits.detach() if hold_past else logits)[:, :, :-1], 1)
    squared = functional.mse_loss(now, past, reduction="none")
    return (squared.clamp(0, 16) * weight).mean()


def _compare(
    head: str, reference: type[nn.Module], sequences: list[LabelledFeatures], repetitions: int
) -> dict[str, Any]:
    method = find_head(head)
    settings = method.settings()
    ours = method.network(DIMENSION, CLASSES, settings.model)
    score = method.losses(ours, sequences, CLASSES, settings)
    ours_loss = [lambda s=s: score(s)["loss"] for s in sequences]
    plain = reference(sequences)
    plain_loss = [_plain_loss(plain, sequence) for sequence in sequences]
    steps = [
        _steps(
            network,
            losses,
            make_optimiser([ParameterGroup(list(network.parameters()))], settings.optimiser),
        )
        for network, losses in ((ours, ours_loss), (plain, plain_loss))
    ]
    # Not timed: the first step also makes the optimiser's state.
    for step in steps:
        step(1)
    scale = SEQUENCES / _TIMED
    measures = [cpu_seconds_of(lambda step=step: step(_TIMED)) for step in steps]
    result = compare(lambda: scale * measures[0](), lambda: scale * measures[1](), repetitions)
    return result | {"unit": "s of CPU an epoch"}


def _plain_loss(network: nn.Module, sequence: LabelledFeatures) -> Callable[[], Tensor]:
    """On the sequence as the straightforward way keeps it: channels first."""
    features = torch.from_numpy(np.ascontiguousarray(sequence.features.T))[None]
    classes = torch.from_numpy(sequence.classes)[None]
    return lambda: network.loss(features, classes)


def _steps(
    network: nn.Module, losses: list[Callable[[], Tensor]], optimiser: torch.optim.Optimizer
) -> Callable[[int], None]:
    """A function that takes this many training steps, one sequence each."""
    network.train()

    def steps(count: int) -> None:
        for _, loss in zip(range(count), cycle(losses)):
            optimiser.zero_grad()
            loss().backward()
            optimiser.step()

    return steps
