# SPDX-License-Identifier: Apache-2.0
"""Losses that several segmentation heads share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# MS-TCN (Farha and Gall 2019): log-probability differences beyond this are real transitions.
SMOOTHING_LIMIT = 4.0


def smoothing_loss(logits: Tensor, present: Tensor) -> Tensor:
    """MS-TCN's truncated squared difference; logits (B, T, C), `present` bool (B, T)."""
    return truncated_change(logits)[present[:, 1:]].mean()


def truncated_change(logits: Tensor, hold_past: bool = True) -> Tensor:
    """Squared change of the log posterior from frame to frame, (..., T, C) -> (..., T - 1, C).

    Cut off at SMOOTHING_LIMIT before squaring. `hold_past`: only the later frame of a pair is
    pulled, towards the earlier one.
    """
    log_posterior = logits.log_softmax(-1)
    past = log_posterior[..., :-1, :]
    change = log_posterior[..., 1:, :] - (past.detach() if hold_past else past)
    return change.clamp(-SMOOTHING_LIMIT, SMOOTHING_LIMIT) ** 2


def change_loss(logits: Tensor, weight: Tensor | None = None, hold_past: bool = True) -> Tensor:
    """Mean truncated squared change of the log posterior, logits (T, C): MS-TCN, (9) to (11).

    `weight` (T - 1,) weighs the changes. `hold_past`: see `truncated_change`, of which this is the
    mean at a third of the cost; ASRF does not. 0 for a sequence of one frame.
    """
    if len(logits) < 2:
        return logits.sum() * 0
    return _SquaredChange.apply(logits.log_softmax(-1), weight, hold_past)


def find_starts(classes: Tensor) -> Tensor:
    """float32 (T,): 1 at the first frame of every segment but the first, else 0."""
    return functional.pad((classes[1:] != classes[:-1]).float(), (1, 0))


def median_frequency_weights(classes: Sequence[np.ndarray], count: int) -> Tensor:
    """float32 (C,): median frequency / frequency of each class (ASRF, 3.3.1; Eigen and Fergus).

    A class that never occurs weighs 0 and does not count for the median.
    """
    frames = frames_per_class(classes, count)
    return torch.where(frames > 0, frames[frames > 0].median() / frames.clamp(min=1), 0.0)


def frames_per_class(classes: Sequence[np.ndarray], count: int) -> Tensor:
    """float32 (C,): how many frames of all sequences each class has."""
    frames = np.bincount(np.concatenate(classes), minlength=count)
    return torch.from_numpy(frames).float()


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
