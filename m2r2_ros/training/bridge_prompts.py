# SPDX-License-Identifier: Apache-2.0
"""Bridge-Prompt's prompts beside the integrated one (Li et al., CVPR 2022).

The integrated prompt tells the order of a window's actions in one text (`sentence`). The others
tell how many there are, and, for the first, the second, ..., which one it is: the fusion is asked
for it by an ordinal prompt. Their contrasts are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from m2r2_ros.networks.fusion import FusionTransformer
from m2r2_ros.training.losses import action_loss

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_ADVERBS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth")
_COUNT = "This video contains {} actions in total."
_ORDINAL = "This is the {} action in the video."
# Later actions of a window than the eighth have none.
_ALONE = "{}, the robot does the action {}."

# Texts -> their embeddings (N, D), projected.
Embed = Callable[[Sequence[str]], Tensor]


def count_prompt(labels: Sequence[str]) -> str:
    """How many actions a window shows."""
    count = len(labels)
    return _COUNT.format(_NUMBERS[count - 1] if count <= len(_NUMBERS) else count)


def ordinal_prompt(place: int) -> str:
    """What asks for the action at a place, counted from 0."""
    return _ORDINAL.format(_ORDINALS[place])


def action_prompts(labels: Sequence[str]) -> list[str]:
    """Each of a window's first actions, with its place."""
    shown = zip(_ADVERBS, labels, strict=False)
    return [_ALONE.format(adverb, label.lower()) for adverb, label in shown]


class PromptedFusion(nn.Module):
    """Asks the Fusion Transformer: two tokens more stand before a window's features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.count = nn.Parameter(torch.randn(width) * 0.02)

    def forward(
        self, fusion: FusionTransformer, features: Tensor, ordinals: Tensor
    ) -> tuple[Tensor, Tensor]:
        """X (B, T, D), embedded ordinal prompts (B, D) -> how many, and which: both (B, D)."""
        asked = torch.stack([self.count.expand(len(features), -1), ordinals], dim=1)
        found = fusion.asked(features, asked)
        return found[:, 0], found[:, 2:].mean(1)

    def loss(
        self,
        fusion: FusionTransformer,
        features: Tensor,
        windows: Sequence[Sequence[str]],
        embed: Embed,
        scale: Tensor,
    ) -> Tensor:
        """The contrasts of counts, and of each action alone, for windows with these actions."""
        pairs = [
            (row, place, prompt)
            for row, labels in enumerate(windows)
            for place, prompt in enumerate(action_prompts(labels))
        ]
        rows = torch.tensor([row for row, _, _ in pairs], device=features.device)
        ordinals = embed([ordinal_prompt(place) for _, place, _ in pairs])
        counted, alone = self(fusion, features[rows], ordinals)
        counts = [count_prompt(windows[row]) for row, _, _ in pairs]
        prompts = [prompt for _, _, prompt in pairs]
        return _contrast(counted, counts, embed, scale) + _contrast(alone, prompts, embed, scale)


def _contrast(found: Tensor, own: list[str], embed: Embed, scale: Tensor) -> Tensor:
    candidates = sorted(set(own))
    return action_loss(found, embed(candidates), own, candidates, scale)
