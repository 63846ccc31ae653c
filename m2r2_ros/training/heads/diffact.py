# SPDX-License-Identifier: Apache-2.0
"""`m2r2 train --head diffact`: DiffAct (Liu et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.heads.diffact import DiffAct, DiffActConfig, median_over_time
from m2r2_ros.training.loop import Losses
from m2r2_ros.training.offline_method import (
    OfflineMethod,
    OfflineSettings,
    SequenceLosses,
    tensors,
)
from m2r2_ros.training.segmentation_losses import change_loss, find_starts, frames_per_class
from m2r2_ros.training.settings import OptimiserSettings

# Sampling strides in validation: it loses little with 8 (the paper's Table 4).
_VALIDATION_STRIDES = 8
# The authors' code adds this to the frames of every class, so that no weight explodes.
_BALANCE_OFFSET = 10
# A Gaussian is cut off at this many standard deviations, as scipy does.
_TRUNCATE = 4.0


@dataclass(frozen=True)
class DiffActSettings(OfflineSettings):
    """As M2R2's authors configure it."""

    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(
            epochs=200, batch_size=4, learning_rate=5e-4, weight_decay=1e-6
        )
    )
    model: DiffActConfig = field(default_factory=DiffActConfig)
    # What of the conditions a training step hides, each as probable as it is often here
    # (`hidden_frames`); the paper's N, P, B and R.
    masks: tuple[str, ...] = ("nothing", "everything", "boundaries", "actions", "actions")
    # Actions that are drawn to be hidden; two draws may fall on the same one.
    hidden_actions: int = 2
    # Standard deviation of the labels' Gaussian along time, in frames, and of the boundaries'.
    label_sigma: float = 1.4
    boundary_sigma: float = 1.0
    # Of both the encoder's and the decoder's cross entropy and smoothing.
    cross_entropy_weight: float = 0.5
    smoothing_weight: float = 0.1
    # Of the decoder's boundary alignment.
    boundary_weight: float = 0.1


def diffact_losses(
    network: DiffAct, training: Sequence[LabelledFeatures], classes: int, settings: DiffActSettings
) -> SequenceLosses:
    """Cross entropy and smoothing of encoder and decoder, boundary alignment: 3.3.

    Without class weights even where the authors' settings ask for them: their code leaves them
    out of the cross entropy with soft labels, which these settings ask for too.
    """
    weights = balanced_weights([s.classes for s in training], classes)
    if not settings.class_weights:
        weights = torch.ones(classes)

    def losses(sequence: LabelledFeatures) -> Losses:
        features, target = tensors(sequence)
        encoded, conditions = network.encode(features)
        step = int(torch.randint(network.config.steps, ()))
        clean = functional.one_hot(target, classes).float()
        noisy = network.diffusion.add_noise(clean, step, torch.randn_like(clean))
        boundaries = soft_starts(target, settings.boundary_sigma)
        shown = ~hidden_frames(_draw(settings.masks), target, boundaries, settings.hidden_actions)
        decoded = network.decode(conditions * shown[:, None], noisy, step)
        soft = soft_labels(target, classes, settings.label_sigma) * weights
        entropy = soft_cross_entropy(encoded, soft) + soft_cross_entropy(decoded, soft)
        smoothing = change_loss(encoded) + change_loss(decoded)
        alignment = alignment_loss(decoded, boundaries)
        return {
            "loss": settings.cross_entropy_weight * entropy
            + settings.smoothing_weight * smoothing
            + settings.boundary_weight * alignment,
            "cross_entropy": entropy,
            "smoothing": smoothing,
            "boundary": alignment,
        }

    return losses


def hidden_frames(mask: str, classes: Tensor, boundaries: Tensor, actions: int) -> Tensor:
    """bool (T,): frames whose conditions the decoder does not see: 3.3.2.

    "nothing" (the paper's N), "everything" (P, the prior of positions), "boundaries" (B, frames of
    a soft boundary >= 0.5) or "actions" (R, all frames of the classes in `actions` draws).
    """
    if mask == "nothing":
        return torch.zeros(len(classes), dtype=torch.bool)
    if mask == "everything":
        return torch.ones(len(classes), dtype=torch.bool)
    if mask == "boundaries":
        return boundaries >= 0.5
    if mask == "actions":
        found = classes.unique()
        return torch.isin(classes, found[torch.randint(len(found), (actions,))])
    raise M2R2Error(f"masks: no mask '{mask}'")


def balanced_weights(classes: Sequence[np.ndarray], count: int) -> Tensor:
    """float32 (C,): all frames / (C (frames of the class + 10)), the authors' class weighting."""
    frames = frames_per_class(classes, count)
    return frames.sum() / (count * (frames + _BALANCE_OFFSET))


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over frames of the cross entropy with a soft target (T, C)."""
    return -(target * logits.log_softmax(-1)).sum(1).mean()


def soft_labels(classes: Tensor, count: int, sigma: float) -> Tensor:
    """One-hot labels under a Gaussian along time: float32 (T, C), rows that sum to 1.

    Beyond the ends, the first and the last label go on. The authors' "soft label".
    """
    reach = int(_TRUNCATE * sigma + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    bell = (-0.5 * (offsets / sigma) ** 2).exp() if sigma else torch.ones(1)
    near = (torch.arange(len(classes))[:, None] + offsets).clamp(0, len(classes) - 1)
    weights = (bell / bell.sum()).expand(len(classes), -1)
    return torch.zeros(len(classes), count).scatter_add_(1, classes[near], weights)


def soft_starts(classes: Tensor, sigma: float) -> Tensor:
    """`find_starts` under a Gaussian with peak 1, float32 (T,) in [0, 1].

    Equation (7): where bells meet they add up, cut off at 1.
    """
    starts = find_starts(classes)
    reach = max(1, math.ceil(_TRUNCATE * sigma))
    bell = (-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2).exp()
    added = functional.conv1d(starts[None, None], bell[None, None], padding=reach)
    return added[0, 0].clamp(max=1.0)


def alignment_loss(logits: Tensor, soft: Tensor) -> Tensor:
    """Boundary alignment, (8): where the classes of neighbouring frames should differ.

    The probability that frames t - 1 and t have different classes, 1 - P[t - 1] . P[t], against
    `soft` (T,) at t, as binary cross entropy; the past is held, as in the authors' code.
    """
    if len(logits) < 2:
        return logits.sum() * 0
    posterior = logits.softmax(-1)
    differ = 1 - (posterior[1:] * posterior[:-1].detach()).sum(1)
    return functional.binary_cross_entropy(differ.clamp(0, 1), soft[1:])


def _draw(names: Sequence[str]) -> str:
    return names[int(torch.randint(len(names), ()))]


def _predict(network: DiffAct, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return _sample(network, features, network.config.sampling_steps)


def _validate(network: DiffAct, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return _sample(network, features, min(_VALIDATION_STRIDES, network.config.sampling_steps))


def _sample(network: DiffAct, features: Tensor, strides: int) -> tuple[np.ndarray, np.ndarray]:
    probabilities, size = network.sample(features, strides).numpy(), network.config.median_filter
    if size:
        smooth = median_over_time(probabilities, size)
        total = smooth.sum(1, keepdims=True)
        # Where every class is rare around a frame, no median is left: then as it was.
        probabilities = np.where(total > 0, smooth / np.maximum(total, 1e-12), probabilities)
    return probabilities.argmax(1), probabilities


HEAD = OfflineMethod(DiffAct, DiffActSettings, diffact_losses, _predict, _validate)
