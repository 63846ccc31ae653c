# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.training.sampler import (
    ActionSpan,
    action_spans,
    sample_evenly,
    sample_window,
    soft_boundaries,
)

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=6)


def spans_of(lengths):
    ends = np.cumsum(lengths)
    return [
        ActionSpan(int(e - n), int(e), f"Pick {i}")
        for i, (n, e) in enumerate(zip(lengths, ends, strict=True))
    ]


def sample(lengths, action, padding=30, samples=100, seed=0):
    return sample_window(spans_of(lengths), action, padding, samples, np.random.default_rng(seed))


def test_actions_are_runs_of_equal_labels():
    assert action_spans(["a", "a", "b", "a"]) == [
        ActionSpan(0, 2, "a"),
        ActionSpan(2, 3, "b"),
        ActionSpan(3, 4, "a"),
    ]
    assert action_spans([]) == []


def test_samples_are_proportional_to_the_sections():
    window = sample([50, 140, 50], action=1)
    assert (window.frames < 50).sum() == 15
    assert (window.frames >= 190).sum() == 15
    assert window.frames.min() >= 20 and window.frames.max() < 220
    assert np.flatnonzero(window.boundaries).tolist() == [15, 85]
    assert window.labels == ("Pick 0", "Pick 1", "Pick 2")
    assert len(set(window.frames)) == 100, "enough frames, so none is repeated"


def test_the_first_and_last_action_lack_a_section():
    first, last = sample([60, 60, 60], action=0), sample([60, 60, 60], action=2)
    assert first.labels == ("Pick 0", "Pick 1") and first.frames.max() < 90
    assert last.labels == ("Pick 1", "Pick 2") and last.frames.min() >= 90
    assert first.boundaries.sum() == last.boundaries.sum() == 1


def test_a_recording_of_one_action_has_no_boundary():
    window = sample([7], action=0)
    assert window.labels == ("Pick 0",)
    assert window.boundaries.sum() == 0
    assert set(window.frames) <= set(range(7))


def test_no_fourth_action_enters_through_short_neighbours():
    window = sample([80, 5, 40, 1, 80], action=2)
    assert window.labels == ("Pick 1", "Pick 2", "Pick 3")
    assert window.frames.min() >= 80 and window.frames.max() < 126


def test_an_action_of_one_frame_is_sampled():
    window = sample([300, 1, 300], action=1)
    assert (window.frames == 300).sum() >= 1
    assert window.labels[1] == "Pick 1"


@given(LENGTHS, st.data(), st.integers(0, 50), st.integers(3, 120))
def test_every_window_is_complete_and_in_order(lengths, data, padding, samples):
    action = data.draw(st.integers(0, len(lengths) - 1))
    spans = spans_of(lengths)
    window = sample(lengths, action, padding, samples, seed=data.draw(st.integers(0, 99)))
    assert window.frames.shape == window.boundaries.shape == (samples,)
    assert (np.diff(window.frames) >= 0).all()
    owner = [next(s.label for s in spans if s.begin <= f < s.end) for f in window.frames]
    assert tuple(dict.fromkeys(owner)) == window.labels
    changes = [0.0, *(float(a != b) for a, b in pairwise(owner))]
    assert window.boundaries.tolist() == changes
    low, high = spans[action].begin - padding, spans[action].end + padding
    assert low <= window.frames.min() and window.frames.max() < high


def test_soft_boundaries_are_gaussian_bells():
    boundaries = np.zeros(20, np.float32)
    boundaries[[5, 12]] = 1
    found = soft_boundaries(boundaries, sigma=2.0)
    for i, value in enumerate(found):
        expected = max(np.exp(-((i - b) ** 2) / (2 * 2.0**2)) for b in (5, 12))
        assert value == pytest.approx(expected, rel=1e-6)
    assert found.dtype == np.float32
    assert soft_boundaries(np.zeros(4, np.float32), 2.0).tolist() == [0] * 4


def test_even_windows_may_leave_a_short_action_out():
    """The weakness of Bridge-Prompt's windows that the paper names (IV-D)."""
    window = sample_evenly(spans_of([10, 2, 20]), 0, 6, 4, np.random.default_rng(1))
    assert np.diff(window.frames).tolist() == [6, 6, 6] and window.frames[0] < 10
    # One frame, then two that lie between the first and the second sample.
    skipping = sample_evenly(spans_of([1, 2, 20]), 0, 5, 3, np.random.default_rng(0))
    assert skipping.frames.tolist() == [0, 5, 10]
    assert skipping.labels == ("Pick 0", "Pick 2")
    assert skipping.boundaries.tolist() == [0, 1, 0]


@given(LENGTHS, st.data(), st.integers(1, 40), st.integers(1, 30))
def test_even_windows_say_what_they_show(lengths, data, stride, samples):
    spans = spans_of(lengths)
    action = data.draw(st.integers(0, len(spans) - 1))
    window = sample_evenly(spans, action, stride, samples, np.random.default_rng(0))
    assert window.frames.shape == window.boundaries.shape == (samples,)
    assert spans[action].begin <= window.frames[0] < spans[action].end
    assert window.frames[-1] < sum(lengths)
    shown = [next(s.label for s in spans if s.begin <= f < s.end) for f in window.frames]
    assert window.labels == tuple(dict.fromkeys(shown))
    changes = [False, *(a != b for a, b in pairwise(shown))]
    assert (window.boundaries > 0).tolist() == changes


def test_unlabelled_frames_are_not_drawn():
    labels = ["a"] * 10 + ["unlabelled"] * 5 + ["b"] * 10 + ["c"] * 10
    spans = action_spans(labels)
    assert [(s.begin, s.end, s.label) for s in spans] == [
        (0, 10, "a"), (15, 25, "b"), (25, 35, "c"),
    ]  # fmt: skip
    random = np.random.default_rng(0)
    for _ in range(30):
        for action in range(3):
            for window in (
                sample_window(spans, action, 20, 12, random),
                sample_evenly(spans, action, 3, 12, random),
            ):
                assert not {labels[i] for i in window.frames} & {"unlabelled"}
                assert tuple(dict.fromkeys(labels[i] for i in window.frames)) == window.labels
