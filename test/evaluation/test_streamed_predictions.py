# SPDX-License-Identifier: Apache-2.0
"""A causal head on extracted features: what is published, and when it is decided."""

from __future__ import annotations

import numpy as np
import pytest

from m2r2_ros.evaluation.delay import beliefs_from_frames, timeliness
from m2r2_ros.evaluation.frame_times import nominal_edges, segments_from_frames
from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.evaluation.streamed_predictions import StreamedLabels, nominal_stamps, stream, track
from m2r2_ros.inference.metadata import HeadMetadata
from m2r2_ros.inference.outcome import Outlook
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.labels import legacy_vocabulary

LABELS = ("No action", "Pick USB", "Insert USB")


class OneHotHead:
    """Its feature is its posterior; confirms after 0.3 s, which is three frames at 10 Hz."""

    labels, vocabulary = LABELS, legacy_vocabulary(LABELS)
    outlook = Outlook()

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


def run(head: OneHotHead, sequence: np.ndarray) -> StreamedLabels:
    return stream(head, sequence, nominal_stamps(len(sequence), 10))


def action_delays(held: list[str], truth: list[str]) -> list[float | None]:
    edges = nominal_edges(len(truth), 10)
    actions = segments_from_frames(truth, edges)
    return timeliness(beliefs_from_frames(held, edges), actions, ["No action"]).delays_s


def test_published_segments_start_where_the_label_turned_but_are_decided_later():
    text = "0" * 10 + "1" * 20 + "2" * 20
    result = run(OneHotHead(), features(text))
    truth = [LABELS[int(letter)] for letter in text]
    assert result.published == truth
    delays = action_delays(result.held, truth)
    assert delays == pytest.approx([0.3, 0.3])
    np.testing.assert_array_equal(result.probabilities, features(text))


@pytest.mark.parametrize("frames", [1, 4])
def test_look_ahead_costs_its_delay_and_nothing_else(frames):
    """What is published is the same, the last frames included; it is known that much later."""
    text = "0" * 10 + "1" * 20 + "2" * 20
    sequence, truth = features(text), [LABELS[int(letter)] for letter in text]
    without, found = (run(OneHotHead(k), sequence) for k in (0, frames))
    assert found.published == without.published == truth
    np.testing.assert_array_equal(found.probabilities, sequence)
    assert found.held[frames:] == without.held[:-frames]
    delays = action_delays(found.held, truth)
    assert delays == pytest.approx([0.3 + frames / 10] * 2)


def test_a_sequence_shorter_than_the_look_ahead():
    result = run(OneHotHead(6), features("0011"))
    np.testing.assert_array_equal(result.probabilities, features("0011"))


def test_tracking_posteriors_is_streaming_without_a_head():
    sequence = features("0" * 10 + "1" * 2 + "0" * 5 + "2" * 9)
    head = OneHotHead()
    tracker = head.metadata.new_tracker()
    stamps_ns = nominal_stamps(len(sequence), 10)
    found = track(tracker, sequence, np.zeros(len(sequence)), stamps_ns)
    assert found == run(head, sequence)
    assert track(tracker, sequence[:0], np.zeros(0), stamps_ns[:0]).published == []


def test_a_flicker_is_not_published():
    result = run(OneHotHead(), features("0" * 10 + "1" * 2 + "0" * 10))
    assert [run.label for run in find_runs(result.published)] == ["No action"]


def test_a_second_run_is_not_influenced_by_the_first():
    head = OneHotHead()
    sequence = features("0" * 8 + "1" * 8)
    assert run(head, sequence) == run(head, sequence)


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_short_sequences(frames):
    result = run(OneHotHead(), features("1" * frames))
    assert len(result.published) == len(result.held) == frames


def test_the_recordings_own_stamps_decide():
    """Frames of 0.11 s: a label that must win for 0.3 s needs three frames, not four."""
    sequence = features("0" * 10 + "1" * 3 + "0" * 10)
    head = OneHotHead()
    slow = np.arange(len(sequence)) * 110_000_000
    fast = np.arange(len(sequence)) * 99_000_000
    assert LABELS[1] in stream(head, sequence, slow).held
    assert LABELS[1] not in stream(head, sequence, fast).held
