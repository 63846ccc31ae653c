# SPDX-License-Identifier: Apache-2.0
"""Bridge-Prompt's count, ordinal and per-action prompts."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.fusion import FusionTransformer
from m2r2_ros.training.bridge_prompts import (
    PromptedFusion,
    action_prompts,
    count_prompt,
    ordinal_prompt,
)
from m2r2_ros.training.settings import PretrainSettings

WIDTH, LENGTH = 8, 5
WINDOWS = [("Pick USB", "Insert USB"), ("Place USB",)]


@pytest.fixture
def fusion() -> FusionTransformer:
    torch.manual_seed(0)
    return FusionTransformer(WIDTH, LENGTH, layers=1, heads=2, dropout=0.0).eval()


class Texts:
    """An embedding of its own for each text, and what was asked for."""

    def __init__(self) -> None:
        self.vectors: dict[str, torch.Tensor] = {}
        self.asked: list[list[str]] = []

    def __call__(self, texts) -> torch.Tensor:
        self.asked.append(list(texts))
        for text in texts:
            self.vectors.setdefault(text, torch.randn(WIDTH))
        return torch.stack([self.vectors[text] for text in texts])


def test_prompts_say_how_many_and_which():
    assert count_prompt(WINDOWS[0]) == "This video contains two actions in total."
    assert count_prompt(("a",) * 12) == "This video contains 12 actions in total."
    assert ordinal_prompt(1) == "This is the second action in the video."
    assert action_prompts(WINDOWS[0]) == [
        "First, the robot does the action pick usb.",
        "Second, the robot does the action insert usb.",
    ]
    assert len(action_prompts("abcdefghij")) == 8


def test_each_action_of_each_window_is_asked_for_and_contrasted(fusion):
    """Against the definition: softmax of similarities, both ways, summed over both prompts."""
    texts, features = Texts(), torch.randn(2, LENGTH, WIDTH)
    prompted, scale = PromptedFusion(WIDTH), torch.tensor(2.0)
    loss = prompted.loss(fusion, features, WINDOWS, texts, scale)
    asked = [f"This is the {place} action in the video." for place in ("first", "second", "first")]
    assert texts.asked[0] == asked
    counted, alone = prompted(
        fusion, features[[0, 0, 1]], torch.stack([texts.vectors[text] for text in asked])
    )
    own = [*action_prompts(WINDOWS[0]), *action_prompts(WINDOWS[1])]
    counts = [count_prompt(WINDOWS[row]) for row in (0, 0, 1)]
    expected = 0
    for found, labels in ((counted, counts), (alone, own)):
        candidates = sorted(set(labels))
        vectors = torch.stack([texts.vectors[text] for text in candidates])
        similarity = 2 * functional.normalize(found) @ functional.normalize(vectors).T
        equal = torch.tensor([[float(a == b) for b in candidates] for a in labels])
        for scores, same in ((similarity, equal), (similarity.T, equal.T)):
            target = (10 * same).softmax(1)
            divergence = (target * (target.log() - scores.log_softmax(1))).sum(1).mean()
            expected += divergence / 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_answer_depends_on_what_is_asked_and_gradients_reach_all(fusion):
    texts, features = Texts(), torch.randn(1, LENGTH, WIDTH, requires_grad=True)
    prompted = PromptedFusion(WIDTH)
    first, second = (
        prompted(fusion, features, texts([ordinal_prompt(place)]))[1] for place in (0, 1)
    )
    assert not torch.allclose(first, second)
    prompted.loss(fusion, features, [("a", "b")], texts, torch.tensor(1.0)).backward()
    assert features.grad.abs().sum() > 0 and fusion.position.grad.abs().sum() > 0
    prompted.zero_grad()
    windows = [("a",), ("a", "b")]
    two = torch.randn(2, LENGTH, WIDTH)
    prompted.loss(fusion, two, windows, texts, torch.tensor(1.0)).backward()
    assert prompted.count.grad.abs().sum() > 0


def test_prompts_without_a_loss_that_reads_them_are_refused():
    with pytest.raises(M2R2Error, match="bridge_prompts: with action_weight 0"):
        PretrainSettings(bridge_prompts=True, action_weight=0.0)
