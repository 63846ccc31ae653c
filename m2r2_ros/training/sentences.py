# SPDX-License-Identifier: Apache-2.0
"""Sentences that describe the order of actions (M2R2 III-D)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

_TEMPLATES = {
    1: "The robot does the action {0}.",
    2: "First, the robot does the action {0}. Finally, the machine executes the action {1}.",
    3: (
        "First, the robot does the action {0}. Next, it performs the action {1}. "
        "Finally, the machine executes the action {2}."
    ),
}


def sentence(labels: Sequence[str]) -> str:
    """One to three action labels, in order, as a sentence."""
    return _TEMPLATES[len(labels)].format(*(label.lower() for label in labels))


def reordered(labels: Sequence[str]) -> list[str]:
    """Sentences of the same actions in every other order: the contrastive loss's negatives."""
    orders = {tuple(order) for order in itertools.permutations(labels)} - {tuple(labels)}
    return sorted(sentence(order) for order in orders)
