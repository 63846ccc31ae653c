# SPDX-License-Identifier: Apache-2.0
"""The losses of RoboAct-CLIP, equations (11), (12), (19), (22) and (23)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from m2r2_ros.training.losses import unit

L2_WEIGHT = 0.01


def similarity_loss(branches: Mapping[str, Tensor]) -> Tensor:
    """L_sim (11): cosine of two branches (B, width), averaged over the pairs and the batch.

    Printed with a leading minus, which would make the branches alike; the text says that their
    similarity is minimised, and so it is here.
    """
    pairs = combinations(branches.values(), 2)
    return torch.stack([functional.cosine_similarity(a, b).mean() for a, b in pairs]).mean()


def magnitude_loss(branches: Mapping[str, Tensor]) -> Tensor:
    """L_L2 (12): 0.01 times the sum of the branches' norms, averaged over the batch."""
    return L2_WEIGHT * sum(branch.norm(dim=-1).mean() for branch in branches.values())


def contrast(features: Tensor, texts: Tensor, own: Tensor, temperature: float) -> Tensor:
    """InfoNCE from features (B, D) to texts (T, D), of which own[i] (B,) describes feature i.

    (19) and (23) as printed when every feature has its own text. Clips of one batch that share a
    sentence share one entry of `texts`: as two entries they would push each other away.
    """
    similarity = unit(features) @ unit(texts).T
    return functional.cross_entropy(similarity / temperature, own)


def auxiliary_loss(
    logits: Mapping[str, Tensor], classes: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Tensor:
    """L_aux (22): weighted sum of cross entropies; classes (B,), -1 where it is not a known one.

    Printed with a minus in front of each cross entropy; the usual positive sum is meant.
    """
    terms = []
    for name, alpha in weights.items():
        known = classes[name] >= 0
        if known.any():
            found = functional.cross_entropy(logits[name][known], classes[name][known])
            terms.append(alpha * found)
    return torch.stack(terms).sum() if terms else next(iter(logits.values())).sum() * 0
