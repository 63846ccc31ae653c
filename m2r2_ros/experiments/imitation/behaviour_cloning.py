# SPDX-License-Identifier: Apache-2.0
"""Behaviour cloning: a policy learns to do what the operator did next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from m2r2_ros.experiments.imitation.demonstrations import Demonstration
from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings
from m2r2_ros.experiments.imitation.policy_network import MOVE, Policy, Steps
from m2r2_ros.experiments.imitation.vision import Vision
from m2r2_ros.training.loop import split_validation, train_epochs
from m2r2_ros.training.run import TrainingRun, best_weights


def clone(
    folder: Path,
    stored: dict[str, Any],
    demonstrations: Sequence[Demonstration],
    vision: Vision,
    sentences: Tensor,
    settings: ImitationSettings,
) -> None:
    """Train a policy into the run in `folder`, which goes on where it was stopped.

    `stored` is what the run's settings say; `sentences` (K, d_text) are those of the task's parts.
    The best epoch is the one with the least loss on demonstrations that are kept for validation.
    Raises M2R2Error when `folder` holds another run.
    """
    run = TrainingRun(folder, stored)
    names = [f"{index:06}" for index in range(len(demonstrations))]
    chosen, kept = split_validation(names, settings.validation)
    horizon = settings.network.horizon
    steps = [steps_of(demonstration, vision, horizon) for demonstration in demonstrations]
    training, validation = joined([steps[i] for i in chosen]), joined([steps[i] for i in kept])
    torch.manual_seed(settings.seed)
    felt = training.proprioception.shape[1]
    policy = Policy(settings.network, training.feature.shape[1], felt, sentences, settings.noise)
    policy.set_statistics(training)
    size, count = settings.optimiser.batch_size, len(training.closed)

    def batches(random: np.random.Generator) -> list[Tensor]:
        return [torch.from_numpy(random.integers(count, size=size)) for _ in range(settings.steps)]

    def losses(batch: Tensor | Steps) -> dict[str, Tensor]:
        return policy.losses(training[batch] if isinstance(batch, Tensor) else batch)

    train_epochs(
        run, policy, settings.optimiser, settings.seed, batches, losses, validation=[validation]
    )


def load_policy(folder: Path, settings: ImitationSettings) -> Policy:
    """The best policy of a run. Raises M2R2Error when it has finished no epoch."""
    weights = best_weights(folder)
    sizes = (len(weights[f"{name}_mean"]) for name in ("feature", "proprioception"))
    policy = Policy(settings.network, *sizes, weights["sentences"], settings.noise)
    policy.load_state_dict(weights)
    return policy.eval()


def steps_of(demonstration: Demonstration, vision: Vision, horizon: int) -> Steps:
    """Every observation of a demonstration; after its end the last set-point is held."""
    felt, wanted = demonstration.proprioception, demonstration.set_points
    count = len(felt)
    following = np.minimum(np.arange(count)[:, None] + np.arange(1, horizon + 1), count - 1)
    here = np.column_stack([felt[:, :3], np.arctan2(felt[:, 4], felt[:, 3])])
    moves = wanted[following, :MOVE] - here[:, None]
    moves[..., 3] = (moves[..., 3] + np.pi) % (2 * np.pi) - np.pi
    return Steps(
        vision(demonstration.rows, range(count)),
        torch.full((count,), demonstration.instruction),
        torch.from_numpy(felt),
        torch.from_numpy(moves).float(),
        torch.from_numpy(wanted[following, MOVE]).float(),
    )


def joined(steps: Sequence[Steps]) -> Steps:
    """All steps of several demonstrations."""
    names = Steps.__dataclass_fields__
    return Steps(*(torch.cat([getattr(each, name) for each in steps]) for name in names))
