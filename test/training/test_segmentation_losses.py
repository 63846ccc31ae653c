# SPDX-License-Identifier: Apache-2.0
"""The losses of the offline heads against NumPy, written down from the papers' equations."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from m2r2_ros.training.heads.asrf import boundary_weight, gaussian_similarity
from m2r2_ros.training.heads.diffact import (
    alignment_loss,
    balanced_weights,
    hidden_frames,
    soft_cross_entropy,
    soft_labels,
    soft_starts,
)
from m2r2_ros.training.segmentation_losses import (
    change_loss,
    find_starts,
    median_frequency_weights,
    smoothing_loss,
    truncated_change,
)

CLASSES = torch.tensor([2, 2, 2, 0, 0, 1, 1, 1, 1, 2])


def logits(seed=0, frames=10, classes=3):
    return torch.randn(frames, classes, generator=torch.Generator().manual_seed(seed)) * 6


def posterior(values):
    exponents = np.exp(values.numpy() - values.numpy().max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def test_change_is_truncated_and_squared():
    values = logits()
    log = np.log(posterior(values))
    change = np.minimum(np.abs(np.diff(log, axis=0)), 4) ** 2
    assert (np.abs(np.diff(log, axis=0)) > 4).any()
    assert change_loss(values).item() == pytest.approx(change.mean(), rel=1e-5)
    weight = np.linspace(0, 1, 9, dtype=np.float32)
    found = change_loss(values, torch.from_numpy(weight), hold_past=False).item()
    assert found == pytest.approx((change.mean(1) * weight).mean(), rel=1e-5)
    everywhere = torch.ones(1, 10, dtype=torch.bool)
    torch.testing.assert_close(change_loss(values), smoothing_loss(values[None], everywhere))


def test_the_past_is_held_where_the_paper_holds_it():
    values = logits().div(6).requires_grad_()
    (held,) = torch.autograd.grad(change_loss(values), values)
    assert (held[0] == 0).all() and (held[1:] != 0).any()
    (free,) = torch.autograd.grad(change_loss(values, hold_past=False), values)
    assert (free[0] != 0).any()


@pytest.mark.parametrize("hold_past", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_gradient_is_that_of_the_formula(hold_past, weighted):
    values = logits().requires_grad_()
    weight = torch.linspace(0, 1, 9) if weighted else torch.ones(9)
    change = truncated_change(values, hold_past)
    assert (change == 16).any()
    (expected,) = torch.autograd.grad(3 * (change * weight[:, None]).mean(), values)
    found = change_loss(values, weight if weighted else None, hold_past)
    torch.testing.assert_close(torch.autograd.grad(3 * found, values)[0], expected)


@pytest.mark.parametrize("loss", [change_loss, lambda x: alignment_loss(x, torch.zeros(1))])
def test_one_frame_has_no_change(loss):
    assert loss(logits(frames=1)).item() == 0


def test_similar_frames_weigh_more():
    features = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    squared = (np.diff(features, axis=0) ** 2).sum(1)
    found = gaussian_similarity(torch.from_numpy(features), sigma=2.0)
    np.testing.assert_allclose(found, np.exp(-squared / 8), rtol=1e-5)


def test_class_weights():
    classes = [np.array([0, 0, 0, 0]), np.array([1, 1, 3, 3, 3])]
    found = median_frequency_weights(classes, 5)
    # Of 4, 2 and 3 frames the median is 3; classes 2 and 4 are not there.
    np.testing.assert_allclose(found, [3 / 4, 3 / 2, 0, 1, 0])
    np.testing.assert_allclose(
        balanced_weights(classes, 5), [9 / (5 * n) for n in (14, 12, 10, 13, 10)]
    )


def test_boundaries_weigh_by_how_rare_they_are():
    assert boundary_weight([np.array([0, 0, 1, 1]), np.array([2, 0, 0, 0])]) == 4
    assert boundary_weight([np.zeros(5)]) == 5


def test_starts():
    assert find_starts(CLASSES).tolist() == [0, 0, 0, 1, 0, 1, 0, 0, 0, 1]
    assert find_starts(CLASSES[:1]).tolist() == [0]


def test_soft_labels_are_a_gaussian_along_time():
    one_hot = np.eye(3, dtype=np.float64)[CLASSES]
    expected = np.stack([gaussian_filter1d(c, 1.4, mode="nearest") for c in one_hot.T], 1)
    found = soft_labels(CLASSES, 3, 1.4)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(soft_labels(CLASSES, 3, 0.0), one_hot)


def test_soft_starts_peak_at_one():
    index = np.arange(10)
    bells = sum(np.exp(-0.5 * (index - start) ** 2) for start in (3, 5, 9))
    np.testing.assert_allclose(soft_starts(CLASSES, 1.0), np.minimum(bells, 1), atol=1e-4)


def test_soft_cross_entropy():
    values, target = logits(), soft_labels(CLASSES, 3, 1.4)
    expected = -(target.numpy() * np.log(posterior(values))).sum(1).mean()
    assert soft_cross_entropy(values, target).item() == pytest.approx(expected, rel=1e-5)


def test_alignment_wants_neighbours_to_differ_at_boundaries():
    values, soft = logits().div(6), soft_starts(CLASSES, 1.0)
    p = posterior(values)
    differ = np.array([1 - p[t - 1] @ p[t] for t in range(1, 10)])
    wanted = soft.numpy()[1:]
    expected = -(wanted * np.log(differ) + (1 - wanted) * np.log(1 - differ)).mean()
    assert alignment_loss(values, soft).item() == pytest.approx(expected, rel=1e-5)
    right = torch.nn.functional.one_hot(CLASSES).float() * 20
    hard = find_starts(CLASSES)
    assert alignment_loss(right, hard) < 0.01 < alignment_loss(right.roll(2, 0), hard)


def test_masks_hide_what_they_say():
    soft = soft_starts(CLASSES, 1.0)
    assert not hidden_frames("nothing", CLASSES, soft, 2).any()
    assert hidden_frames("everything", CLASSES, soft, 2).all()
    near = hidden_frames("boundaries", CLASSES, soft, 2)
    assert near.tolist() == [bool(value >= 0.5) for value in soft]
    assert near.any() and not near.all()
    for seed in range(9):
        torch.manual_seed(seed)
        hidden = hidden_frames("actions", CLASSES, soft, 2)
        gone = set(CLASSES[hidden].tolist())
        assert 1 <= len(gone) <= 2 and not gone & set(CLASSES[~hidden].tolist())
