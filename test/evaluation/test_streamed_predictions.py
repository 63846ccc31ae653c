# SPDX-License-Identifier: Apache-2.0
"""A causal head on extracted features: what is published, and when it is decided."""

from __future__ import annotations

import numpy as np
import pytest

from m2r2_ros.evaluation.delay import decision_delays
from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.evaluation.streamed_predictions import stream, track
from m2r2_ros.inference.metadata import HeadMetadata
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig

LABELS = ("No action", "Pick USB", "Insert USB")


class OneHotHead:
    """Its feature is its posterior; confirms after 0.3 s, which is three frames at 10 Hz."""

    labels = LABELS

    def __init__(self, look_ahead: int = 0) -> None:
        tracker = TrackerConfig(boundary_trust=0.0)
        self.metadata = HeadMetadata(LABELS, 3, {}, "", "", tracker, look_ahead)
        self.reset()

    def reset(self) -> None:
        self._seen: list[np.ndarray] = []

    def step(self, feature: np.ndarray) -> tuple[np.ndarray, float]:
        self._seen.append(feature)
        return self._seen[max(0, len(self._seen) - 1 - self.metadata.look_ahead)], 0.0


def features(text: str) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[[int(letter) for letter in text]]


def test_published_segments_start_where_the_label_turned_but_are_decided_later():
    text = "0" * 10 + "1" * 20 + "2" * 20
    result = stream(OneHotHead(), features(text), rate_hz=10)
    truth = [LABELS[int(letter)] for letter in text]
    assert result.published == truth
    delays = decision_delays(result.decided, truth, period_s=0.1)
    assert delays[1:] == pytest.approx([0.2, 0.2])
    np.testing.assert_array_equal(result.probabilities, features(text))


@pytest.mark.parametrize("frames", [1, 4])
def test_look_ahead_costs_its_delay_and_nothing_else(frames):
    """What is published is the same, the last frames included; it is known that much later."""
    text = "0" * 10 + "1" * 20 + "2" * 20
    sequence, truth = features(text), [LABELS[int(letter)] for letter in text]
    without, found = (stream(OneHotHead(k), sequence, rate_hz=10) for k in (0, frames))
    assert found.published == without.published == truth
    np.testing.assert_array_equal(found.probabilities, sequence)
    assert found.decided[frames:] == without.decided[:-frames]
    delays = decision_delays(found.decided, truth, period_s=0.1)
    assert delays[1:] == pytest.approx([0.2 + frames / 10] * 2)


def test_a_sequence_shorter_than_the_look_ahead():
    result = stream(OneHotHead(6), features("0011"), rate_hz=10)
    np.testing.assert_array_equal(result.probabilities, features("0011"))


def test_tracking_posteriors_is_streaming_without_a_head():
    sequence = features("0" * 10 + "1" * 2 + "0" * 5 + "2" * 9)
    head = OneHotHead()
    tracker = SegmentTracker(LABELS, head.metadata.tracker)
    found = track(tracker, sequence, np.zeros(len(sequence)), rate_hz=10)
    assert found == stream(head, sequence, rate_hz=10)
    assert track(tracker, sequence[:0], np.zeros(0), rate_hz=10).published == []


def test_a_flicker_is_not_published():
    result = stream(OneHotHead(), features("0" * 10 + "1" * 2 + "0" * 10), rate_hz=10)
    assert [run.label for run in find_runs(result.published)] == ["No action"]


def test_a_second_run_is_not_influenced_by_the_first():
    head = OneHotHead()
    sequence = features("0" * 8 + "1" * 8)
    assert stream(head, sequence, 10) == stream(head, sequence, 10)


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_short_sequences(frames):
    result = stream(OneHotHead(), features("1" * frames), rate_hz=10)
    assert len(result.published) == len(result.decided) == frames
