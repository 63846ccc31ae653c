# SPDX-License-Identifier: Apache-2.0
"""Change points of made-up wrenches, labels by overlap, and the tuning of both baselines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.experiments.baselines.baseline_signals import POSITION, WRENCH
from m2r2_ros.experiments.baselines.bocpd import WrenchModel, change_points
from m2r2_ros.experiments.baselines.labelling import label_by_overlap
from m2r2_ros.experiments.baselines.methods import BASELINES, tune_bocpd

LEVELS = (0.0, 5.0, -3.0, 8.0, 1.0)


def made_up(name: str, lengths=(60, 45, 70, 50, 55)) -> LabelledFeatures:
    """A wrench that steps, and a hand that turns, at the boundaries of the actions."""
    random = np.random.default_rng(list(name.encode()))
    labels = [f"action {i}" for i, length in enumerate(lengths) for _ in range(length)]
    signals = np.zeros((len(labels), 9), np.float32)
    signals[:, WRENCH] = np.repeat(LEVELS[: len(lengths)], lengths)[:, None]
    signals[:, WRENCH] += random.normal(0, 0.3, (len(labels), 6))
    steps = np.eye(3)[np.arange(len(lengths)) % 3] * 0.01
    signals[:, POSITION] = np.cumsum(np.repeat(steps, lengths, axis=0), axis=0)
    signals[:, POSITION] += random.normal(0, 1e-4, (len(labels), 3))
    classes = np.repeat(np.arange(len(lengths)), lengths)
    return LabelledFeatures(name, signals, labels, classes)


def boundaries_of(recording: LabelledFeatures) -> list[int]:
    return [run.start for run in find_runs(recording.labels)][1:]


def test_steps_of_the_wrench_are_change_points():
    recording = made_up("one")
    wrench = recording.features[:, WRENCH]
    model = WrenchModel(wrench.mean(0), wrench.std(0), mean_length=56, spread=0.1)
    found = change_points(wrench, model)
    expected = boundaries_of(recording)
    assert len(found) == len(expected)
    assert np.abs(np.subtract(found, expected)).max() <= 2


def test_a_constant_wrench_has_no_change_point():
    noise = np.random.default_rng(0).normal(0, 1, (200, 6))
    assert change_points(noise, WrenchModel(np.zeros(6), np.ones(6), 100, 1.0)) == []


@pytest.mark.parametrize("name", BASELINES)
def test_tuned_baselines_give_as_many_segments_as_are_true(name):
    segmentation, parameters = BASELINES[name]([made_up("one"), made_up("two")])
    assert all(np.isfinite(value) for value in parameters.values())
    other = made_up("three", (40, 80, 50))
    found = segmentation(other.features)
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
