# SPDX-License-Identifier: Apache-2.0
"""Sentences that describe the order of actions (M2R2 III-D)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

_ALONE = "The robot does the action {}."
_FIRST = "First, the robot does the action {}."
_BETWEEN = "Next, it performs the action {}."
_LAST = "Finally, the machine executes the action {}."
# All orders of more actions than these would be too many negatives.
_ALL_ORDERS = 3


def sentence(labels: Sequence[str]) -> str:
    """One or more action labels, in order, as a sentence."""
    if len(labels) == 1:
        return _ALONE.format(labels[0].lower())
    parts = [_FIRST, *[_BETWEEN] * (len(labels) - 2), _LAST]
    return " ".join(p.format(label.lower()) for p, label in zip(parts, labels, strict=True))


def reordered(labels: Sequence[str]) -> list[str]:
    """Sentences of the same actions in other orders: the contrastive loss's negatives.

    Every other order of up to three actions; of more, those with two neighbours exchanged.
    """
    if len(labels) <= _ALL_ORDERS:
        orders = set(itertools.permutations(labels))
    else:
        orders = {
            (*labels[:i], labels[i + 1], labels[i], *labels[i + 2 :])
            for i in range(len(labels) - 1)
        }
    return sorted(sentence(order) for order in orders - {tuple(labels)})
