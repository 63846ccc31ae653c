# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from m2r2_ros.training.losses import (
    TARGET_SHARPNESS,
    action_loss,
    boundary_loss,
)
from m2r2_ros.training.segmentation_losses import SMOOTHING_LIMIT, smoothing_loss
from m2r2_ros.training.sentences import reordered, sentence


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def divergence(similarity, equal):
    """Mean over rows of sum p log(p / q)."""
    target, found = softmax(TARGET_SHARPNESS * equal), softmax(similarity)
    return (target * np.log(target / found)).sum(1).mean()


def test_action_loss_is_the_two_way_divergence():
    random = np.random.default_rng(0)
    windows, sentences = random.normal(size=(3, 4)), random.normal(size=(5, 4))
    own, candidates = ["a", "b", "a"], ["a", "b", "c", "d", "e"]
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (windows, sentences)]
    similarity = 7.0 * units[0] @ units[1].T
    equal = np.array([[s == c for c in candidates] for s in own], float)
    expected = (divergence(similarity, equal) + divergence(similarity.T[:2], equal.T[:2])) / 2
    found = action_loss(
        torch.tensor(windows), torch.tensor(sentences), own, candidates, torch.tensor(7.0)
    )
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_action_loss_is_that_of_actionclip_without_negatives():
    """There: KLDivLoss averaged over all B * B entries, times B."""
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(4, 6, generator=random), torch.randn(4, 6, generator=random)
    names = list("abcd")
    cosine = torch.nn.functional.cosine_similarity(x[:, None], y[None], dim=-1) * 5
    target = torch.softmax(torch.eye(4) * 10, 1)
    theirs = [
        (target * (target.log() - torch.log_softmax(s, 1))).mean() * 4 for s in (cosine, cosine.T)
    ]
    found = action_loss(x, y, names, names, torch.tensor(5.0))
    torch.testing.assert_close(found, sum(theirs) / 2)


def test_action_loss_prefers_the_own_order():
    embedded = torch.eye(3)
    own, candidates = ["first a then b"], ["first a then b", "first b then a", "other"]
    scale = torch.tensor(10.0)
    right = action_loss(embedded[:1], embedded, own, candidates, scale)
    wrong = action_loss(embedded[1:2], embedded, own, candidates, scale)
    assert right < wrong


def test_boundary_loss_is_equation_4():
    random = np.random.default_rng(0)
    soft, predicted = random.uniform(size=(3, 5)), random.uniform(size=(3, 5))
    expected = sum(sum((soft[i, t] - predicted[i, t]) ** 2 for t in range(5)) / 5 for i in range(3))
    found = boundary_loss(torch.tensor(predicted), torch.tensor(soft))
    assert found.item() == pytest.approx(expected / 3)


def test_smoothing_loss_truncates_and_ignores_padding():
    logits = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0)) * 5
    present = torch.tensor([[True, True, True, False]])
    logs = np.log(softmax(logits[0].double().numpy()))
    squares = np.minimum(np.abs(np.diff(logs, axis=0)), SMOOTHING_LIMIT) ** 2
    found = smoothing_loss(logits, present)
    assert found.item() == pytest.approx(squares[:2].mean(), rel=1e-4)


def test_sentences_follow_the_template():
    assert sentence(["Pick USB", "Insert USB", "No action"]) == (
        "First, the robot does the action pick usb. Next, it performs the action insert usb. "
        "Finally, the machine executes the action no action."
    )
    assert sentence(["Pick USB"]) == "The robot does the action pick usb."
    assert sentence(["a", "b", "c", "d"]) == (
        "First, the robot does the action a. Next, it performs the action b. "
        "Next, it performs the action c. Finally, the machine executes the action d."
    )


def test_negatives_are_all_other_orders():
    assert len(reordered(["a", "b", "c"])) == 5
    assert reordered(["a", "b"]) == [sentence(["b", "a"])]
    assert len(reordered(["a", "b", "a"])) == 2
    assert reordered(["a"]) == []


def test_negatives_of_long_windows_exchange_neighbours():
    orders = [["b", "a", "c", "d"], ["a", "c", "b", "d"], ["a", "b", "d", "c"]]
    assert reordered(["a", "b", "c", "d"]) == sorted(map(sentence, orders))
    assert reordered(["a", "a", "b", "a"]) == sorted(
        map(sentence, [["a", "b", "a", "a"], ["a", "a", "a", "b"]])
    )
