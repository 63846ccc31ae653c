# SPDX-License-Identifier: Apache-2.0
"""Losses of pretraining (M2R2 III-D)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

# ActionCLIP and Bridge-Prompt sharpen the equal-or-not targets by this before the softmax.
TARGET_SHARPNESS = 10.0


def action_loss(
    windows: Tensor, sentences: Tensor, own: Sequence[str], candidates: Sequence[str], scale: Tensor
) -> Tensor:
    """L_action: contrast of window and sentence embeddings, after Bridge-Prompt and ActionCLIP.

    `windows` (B, D) embeds windows described by the sentences `own`; `sentences` (C, D) embeds
    `candidates`: all of `own` and any number of negatives, such as other orders of the same
    actions. Mean Kullback-Leibler divergence of the similarities from the equal-or-not targets,
    both ways; from sentences to windows only sentences that describe a window take part.
    """
    similarity = scale * unit(windows) @ unit(sentences).T
    equal = torch.tensor([[a == b for b in candidates] for a in own], device=windows.device)
    described = equal.any(0)
    to_sentence = _divergence(similarity, equal)
    to_window = _divergence(similarity.T[described], equal.T[described])
    return (to_sentence + to_window) / 2


def boundary_loss(predicted: Tensor, soft: Tensor) -> Tensor:
    """L_boundary, equation (4): mean squared error over samples, then over the batch."""
    return ((soft - predicted) ** 2).mean(1).mean(0)


def unit(vectors: Tensor) -> Tensor:
    """The vectors of length one."""
    return functional.normalize(vectors, dim=-1)


def _divergence(similarity: Tensor, equal: Tensor) -> Tensor:
    target = (TARGET_SHARPNESS * equal.float()).softmax(1)
    return functional.kl_div(similarity.log_softmax(1), target, reduction="batchmean")
