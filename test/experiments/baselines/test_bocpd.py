# SPDX-License-Identifier: Apache-2.0
"""Change points of made-up wrenches, labels by overlap, and the tuning of both baselines."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import multigammaln

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.experiments.baselines.baseline_signals import POSITION, WRENCH, BaselineSignals
from m2r2_ros.experiments.baselines.bocpd import WrenchModel, change_points, run_lengths
from m2r2_ros.experiments.baselines.labelling import label_by_overlap
from m2r2_ros.experiments.baselines.methods import BASELINES, tune_bocpd

LEVELS = (0.0, 5.0, -3.0, 8.0, 1.0)


# Samples of the wrench in a frame.
OVERSAMPLED = 4


def made_up(name: str, lengths=(60, 45, 70, 50, 55)) -> BaselineSignals:
    """A wrench that steps, and a hand that turns, at the boundaries of the actions."""
    random = np.random.default_rng(list(name.encode()))
    labels = [f"action {i}" for i, length in enumerate(lengths) for _ in range(length)]
    signals = np.zeros((len(labels), 9), np.float32)
    signals[:, WRENCH] = np.repeat(LEVELS[: len(lengths)], lengths)[:, None]
    signals[:, WRENCH] += random.normal(0, 0.3, (len(labels), 6))
    steps = np.eye(3)[np.arange(len(lengths)) % 3] * 0.01
    signals[:, POSITION] = np.cumsum(np.repeat(steps, lengths, axis=0), axis=0)
    signals[:, POSITION] += random.normal(0, 1e-4, (len(labels), 3))
    frames = np.repeat(np.arange(len(labels)), OVERSAMPLED)
    wrench = np.repeat(LEVELS[: len(lengths)], lengths)[frames][:, None]
    wrench = wrench + random.normal(0, 0.6, (len(frames), 6))
    return BaselineSignals(signals, wrench.astype(np.float32), frames, labels)


def boundaries_of(recording: BaselineSignals) -> list[int]:
    return [run.start for run in find_runs(recording.labels)][1:]


def test_steps_of_the_wrench_are_change_points():
    recording = made_up("one")
    wrench = recording.rows[:, WRENCH]
    model = WrenchModel(wrench.mean(0), wrench.std(0), mean_length=56, spread=0.1)
    found = change_points(wrench, model)
    expected = boundaries_of(recording)
    assert len(found) == len(expected)
    assert np.abs(np.subtract(found, expected)).max() <= 2


def test_a_constant_wrench_has_no_change_point():
    noise = np.random.default_rng(0).normal(0, 1, (200, 6))
    assert change_points(noise, WrenchModel(np.zeros(6), np.ones(6), 100, 1.0)) == []


def log_evidence(values: np.ndarray, spread: float) -> float:
    """Of one segment in closed form: Murphy, Conjugate Bayesian analysis of the Gaussian, (266)."""
    count, size = values.shape
    weight, freedom, scale = 0.01, size + 2, spread**2 * np.eye(size)
    mean = values.mean(0)
    after = scale + (values - mean).T @ (values - mean)
    after += weight * count / (weight + count) * np.outer(mean, mean)
    return (
        -count * size / 2 * np.log(np.pi)
        + multigammaln((freedom + count) / 2, size)
        - multigammaln(freedom / 2, size)
        + freedom / 2 * np.linalg.slogdet(scale)[1]
        - (freedom + count) / 2 * np.linalg.slogdet(after)[1]
        + size / 2 * np.log(weight / (weight + count))
    )


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_are_those_of_all_segmentations_together(seed):
    """Every way to cut what was seen so far, weighed by its evidence and the hazard."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(7, 2))
    values[random.integers(1, 7) :] += random.normal(0, 5, 2)
    mean_length, spread = random.uniform(1.5, 10), 0.5
    found = run_lengths(values, mean_length, spread)
    for last in range(len(values)):
        posterior = np.full(last + 1, -np.inf)
        for cuts in itertools.product([False, True], repeat=last):
            starts = [0, *(i + 1 for i, cut in enumerate(cuts) if cut)]
            weight = sum(np.log(1 / mean_length if cut else 1 - 1 / mean_length) for cut in cuts)
            ends = [*starts[1:], last + 1]
            weight += sum(
                log_evidence(values[a:b], spread) for a, b in zip(starts, ends, strict=True)
            )
            length = last - starts[-1]
            posterior[length] = np.logaddexp(posterior[length], weight)
        assert found[last] == posterior.argmax()


def test_the_wrench_is_read_at_its_full_rate():
    """A push that is over within a frame, which its mean would hide."""
    still, pushed = made_up("one", (60, 45)), made_up("two", (60, 45))
    wrench = pushed.wrench.copy()
    middle = 30 * OVERSAMPLED
    wrench[middle : middle + 2] += 200
    wrench[middle + 2 : middle + 4] -= 200
    within = slice(middle, middle + OVERSAMPLED)
    np.testing.assert_allclose(wrench[within].mean(0), pushed.wrench[within].mean(0), atol=1e-3)
    segmentation, _ = tune_bocpd([still, pushed])
    assert 30 not in segmentation(pushed) and 30 in segmentation(replace(pushed, wrench=wrench))


@pytest.mark.parametrize("name", BASELINES)
def test_tuned_baselines_give_as_many_segments_as_are_true(name):
    segmentation, parameters = BASELINES[name]([made_up("one"), made_up("two")])
    assert all(np.isfinite(value) for value in parameters.values())
    other = made_up("three", (40, 80, 50))
    found = segmentation(other)
    assert len(found) == 2
    assert np.abs(np.subtract(found, boundaries_of(other))).max() <= 3


def test_nothing_to_tune_on_is_an_error():
    with pytest.raises(M2R2Error, match="no recording to tune"):
        tune_bocpd([])


def test_a_segment_gets_the_label_of_most_of_its_frames():
    truth = list("AAABBBBCC")
    assert "".join(label_by_overlap([4, 5], truth)) == "AAAABBBBB"
    assert label_by_overlap([], truth) == ["B"] * 9
    # Earliest of equals.
    assert label_by_overlap([], list("BA")) == ["B", "B"]


@given(st.lists(st.sampled_from("AB"), min_size=1, max_size=30), st.data())
def test_true_boundaries_give_true_labels(truth, data):
    more = data.draw(st.sets(st.integers(1, max(1, len(truth) - 1)), max_size=5))
    cuts = {run.start for run in find_runs(truth)} | {cut for cut in more if cut < len(truth)}
    assert label_by_overlap(sorted(cuts - {0}), truth) == truth
