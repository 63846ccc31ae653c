# SPDX-License-Identifier: Apache-2.0
"""Losses of the offline segmentation heads, each on one sequence of T frames and C classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from m2r2_ros.training.losses import SMOOTHING_LIMIT

# DiffAct's code adds this to the frames of every class, so that no weight explodes.
_BALANCE_OFFSET = 10
# A Gaussian is cut off at this many standard deviations, as scipy does.
_TRUNCATE = 4.0


def median_frequency_weights(classes: Sequence[np.ndarray], count: int) -> Tensor:
    """float32 (C,): median frequency / frequency of each class (ASRF, 3.3.1; Eigen and Fergus).

    A class that never occurs weighs 0 and does not count for the median.
    """
    frames = _frames_per_class(classes, count)
    return torch.where(frames > 0, frames[frames > 0].median() / frames.clamp(min=1), 0.0)


def balanced_weights(classes: Sequence[np.ndarray], count: int) -> Tensor:
    """float32 (C,): all frames / (C (frames of the class + 10)), DiffAct's class weighting."""
    frames = _frames_per_class(classes, count)
    return frames.sum() / (count * (frames + _BALANCE_OFFSET))


def boundary_weight(classes: Sequence[np.ndarray]) -> float:
    """ASRF's weight of boundary frames: the reciprocal of their share (3.3.2)."""
    boundaries = sum(int((np.diff(one) != 0).sum()) for one in classes)
    return sum(map(len, classes)) / max(1, boundaries)


def find_starts(classes: Tensor) -> Tensor:
    """float32 (T,): 1 at the first frame of every segment but the first, else 0."""
    return functional.pad((classes[1:] != classes[:-1]).float(), (1, 0))


def change_loss(logits: Tensor, weight: Tensor | None = None, hold_past: bool = True) -> Tensor:
    """Mean truncated squared change of the log posterior, logits (T, C): MS-TCN, (9) to (11).

    `weight` (T - 1,) weighs the changes. `hold_past`: see `truncated_change`, of which this is the
    mean at a third of the cost; ASRF does not. 0 for a sequence of one frame.
    """
    if len(logits) < 2:
        return logits.sum() * 0
    return _SquaredChange.apply(logits.log_softmax(-1), weight, hold_past)


def gaussian_similarity(features: Tensor, sigma: float = 1.0) -> Tensor:
    """exp(-d^2 / (2 sigma^2)) in (0, 1] for each pair of neighbouring frames, (T, D) -> (T - 1,).

    ASRF's similarity (3.3.1).
    """
    squared = (features[1:] - features[:-1]).square().sum(1)
    return (-squared / (2 * sigma**2)).exp()


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over frames of the cross entropy with a soft target (T, C)."""
    return -(target * logits.log_softmax(-1)).sum(1).mean()


def soft_labels(classes: Tensor, count: int, sigma: float) -> Tensor:
    """One-hot labels under a Gaussian along time: float32 (T, C), rows that sum to 1.

    Beyond the ends, the first and the last label go on. DiffAct's "soft label".
    """
    reach = int(_TRUNCATE * sigma + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    bell = (-0.5 * (offsets / sigma) ** 2).exp() if sigma else torch.ones(1)
    near = (torch.arange(len(classes))[:, None] + offsets).clamp(0, len(classes) - 1)
    weights = (bell / bell.sum()).expand(len(classes), -1)
    return torch.zeros(len(classes), count).scatter_add_(1, classes[near], weights)


def soft_starts(classes: Tensor, sigma: float) -> Tensor:
    """`find_starts` under a Gaussian with peak 1, float32 (T,) in [0, 1].

    DiffAct, (7): where bells meet they add up, cut off at 1.
    """
    starts = find_starts(classes)
    reach = max(1, math.ceil(_TRUNCATE * sigma))
    bell = (-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2).exp()
    added = functional.conv1d(starts[None, None], bell[None, None], padding=reach)
    return added[0, 0].clamp(max=1.0)


def alignment_loss(logits: Tensor, soft: Tensor) -> Tensor:
    """DiffAct's boundary alignment, (8): where the classes of neighbouring frames should differ.

    The probability that frames t - 1 and t have different classes, 1 - P[t - 1] . P[t], against
    `soft` (T,) at t, as binary cross entropy; the past is held, as in the authors' code.
    """
    if len(logits) < 2:
        return logits.sum() * 0
    posterior = logits.softmax(-1)
    differ = 1 - (posterior[1:] * posterior[:-1].detach()).sum(1)
    return functional.binary_cross_entropy(differ.clamp(0, 1), soft[1:])


class _SquaredChange(torch.autograd.Function):
    """Mean of the truncated squared changes of a log posterior (T, C), few passes over it."""

    @staticmethod
    def forward(ctx: Any, log_posterior: Tensor, weight: Tensor | None, hold_past: bool) -> Tensor:
        change = log_posterior[1:] - log_posterior[:-1]
        change.clamp_(-SMOOTHING_LIMIT, SMOOTHING_LIMIT)
        ctx.save_for_backward(change, weight)
        ctx.hold_past = hold_past
        weighted = change if weight is None else change * weight[:, None]
        return torch.dot(weighted.flatten(), change.flatten()) / change.numel()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        change, weight = ctx.saved_tensors
        # 0 where the change was cut off.
        inside = torch.ops.aten.hardtanh_backward(change, change, -SMOOTHING_LIMIT, SMOOTHING_LIMIT)
        inside.mul_(gradients[0] * 2 / change.numel())
        if weight is not None:
            inside.mul_(weight[:, None])
        to_posterior = change.new_zeros(len(change) + 1, change.shape[1])
        to_posterior[1:] = inside
        if not ctx.hold_past:
            to_posterior[:-1] -= inside
        return to_posterior, None, None


def _frames_per_class(classes: Sequence[np.ndarray], count: int) -> Tensor:
    frames = np.bincount(np.concatenate(classes), minlength=count)
    return torch.from_numpy(frames).float()
