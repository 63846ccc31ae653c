# SPDX-License-Identifier: Apache-2.0
"""Predictions: coarse from fine, scores with and without delay, files, reliability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.delay import beliefs_from_frames
from m2r2_ros.evaluation.frame_times import nominal_edges
from m2r2_ros.evaluation.predictions import (
    Prediction,
    score_predictions,
)
from m2r2_ros.evaluation.reliability import reliability
from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.labels import REASSEMBLE

TRUTH = ["No action"] * 10 + ["Pick USB"] * 20 + ["Insert USB"] * 20
IDLE = ("No action",)
CLASSES = ("No action", "Pick USB", "Pick BNC", "Insert USB")


def believed(held: list[str]) -> list[Segment]:
    return beliefs_from_frames(held, nominal_edges(len(held), 10))


def late(labels: list[str], frames: int) -> list[str]:
    return labels[:1] * frames + labels[:-frames]


def test_scores_over_recordings():
    wrong_object = [label.replace("USB", "BNC") for label in TRUTH]
    predictions = [
        Prediction("right", TRUTH, TRUTH, believed(late(TRUTH, 2)), idle=IDLE),
        Prediction("wrong", TRUTH, wrong_object, believed(late(TRUTH, 2)), idle=IDLE),
    ]
    fine = score_predictions(predictions)
    coarse = score_predictions([p.renamed(REASSEMBLE.coarse) for p in predictions])
    assert fine["acc"] == pytest.approx(60)
    assert fine["f1@50"] == pytest.approx(100 * 4 / 6)
    assert [coarse[key] for key in ("acc", "edit", "f1@50", "dr")] == [100] * 4
    # Two frames late, and said at a frame's end. Idle is no action.
    assert [coarse[key] for key in ("delay_s", "delay_p90_s")] == pytest.approx([0.3, 0.3])
    assert coarse["recognised"] == 100 and coarse["false_starts"] == 0
    assert fine["recognised"] == 50 and fine["false_starts"] == 0.5
    assert coarse["held_acc"] == pytest.approx(100 * 46 / 50)
    assert coarse["held_f1@50"] == 100


def test_no_recognised_segment_has_no_delay_and_offline_methods_have_none_at_all():
    never = Prediction("a", ["x"] * 5, ["y"] * 5, believed(["x"] * 5))
    scores = score_predictions([never])
    assert scores["delay_s"] is None and scores["recognised"] == 0
    assert "delay_s" not in score_predictions([Prediction("a", ["x"] * 5, ["y"] * 5)])


def test_idle_segments_do_not_raise_the_f1_of_actions():
    said = ["No action"] * 10 + ["Pick BNC"] * 40
    scores = score_predictions([Prediction("a", said, TRUTH, idle=IDLE)])
    # One of two predicted and of three true segments; without idle none of one and of two.
    assert scores["f1@50"] == pytest.approx(100 * 2 / 5) and scores["f1@50_actions"] == 0


def test_boundaries_are_matched_one_to_one_within_half_a_second():
    said = ["No action"] * 16 + ["Pick USB"] * 3 + ["No action"] * 2 + ["Insert USB"] * 29
    scores = score_predictions([Prediction("a", said, TRUTH, idle=IDLE)])
    # True at 1.0 and 3.0 s; said at 1.6, 1.9 and 2.1.
    assert scores["boundary_f1"] == 0
    scores = score_predictions([Prediction("a", said[3:] + said[-3:], TRUTH)])
    assert scores["boundary_f1"] == pytest.approx(100 * 2 / 5)
    assert score_predictions([Prediction("a", TRUTH, TRUTH)])["boundary_f1"] == 100


def test_before_the_first_message_a_planner_takes_it_for_idle():
    prediction = Prediction("a", TRUTH, TRUTH, [Segment("Pick USB", 2.0, 9.0)], idle=IDLE)
    assert prediction.held == ["No action"] * 19 + ["Pick USB"] * 31
    assert Prediction("a", ["x"], ["x"], []).held == ["unknown"]


def test_coarse_probabilities_are_sums():
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    fine = Prediction("a", ["Pick BNC", "No action"], TRUTH[:2], None, CLASSES, probabilities)
    coarse = fine.renamed(REASSEMBLE.coarse)
    assert coarse.classes == ("No action", "Pick", "Insert")
    np.testing.assert_allclose(coarse.probabilities, [[0.1, 0.5, 0.4], [0.7, 0.2, 0.1]])
    assert coarse.labels == ["Pick", "No action"]


def test_unequal_lengths_name_the_recording():
    with pytest.raises(M2R2Error, match="some-recording: the prediction has 1 frames"):
        Prediction("some-recording", ["a"], ["a", "b"])


# ---------------------------------------------------------------- reliability


def test_reliability_by_hand():
    confidence = np.array([0.95, 0.91, 0.55, 0.52, 0.58, 0.05])
    right = np.array([True, False, True, True, False, False])
    result = reliability(confidence, right, bins=10)
    assert result.frames.tolist() == [1, 0, 0, 0, 0, 3, 0, 0, 0, 2]
    assert result.accuracy[5] == pytest.approx(2 / 3)
    assert result.confidence[9] == pytest.approx(0.93)
    # 3/6 |2/3 - 0.55| + 2/6 |1/2 - 0.93| + 1/6 |0 - 0.05|
    assert result.expected_error == pytest.approx(0.35 / 6 + 0.86 / 6 + 0.05 / 6)


def test_certain_and_right_is_perfect():
    assert reliability(np.ones(7), np.ones(7, bool)).expected_error == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_expected_error_is_bounded_and_every_frame_counts(frames):
    confidence, right = (np.array(column) for column in zip(*frames, strict=True))
    result = reliability(confidence, right)
    assert result.frames.sum() == len(frames)
    assert 0 <= result.expected_error <= 1


def test_unlabelled_frames_are_not_scored():
    """Whatever is said there; and what is on either side is not one segment."""
    truth = ["a"] * 10 + ["unlabelled"] * 10 + ["a"] * 10 + ["b"] * 10
    labels = ["a"] * 10 + ["b"] * 10 + ["a"] * 10 + ["b"] * 10
    whole = Prediction("one", labels, truth, believed(labels), ("a", "b"), np.eye(40, 2))
    parts = whole.labelled_parts()
    assert [part.name for part in parts] == ["one [0:10]", "one [20:40]"]
    assert parts[1].probabilities.shape == (20, 2)
    np.testing.assert_allclose(parts[1].edges, np.arange(20, 41) / 10)
    scores = score_predictions([whole])
    assert [scores[key] for key in ("acc", "edit", "f1@50", "boundary_f1")] == [100] * 4
    assert scores["recognised"] == 100 and scores["held_acc"] == 100
    apart = [Prediction("x", ["a"] * 10, ["a"] * 10), Prediction("y", labels[20:], truth[20:])]
    again = score_predictions([Prediction("one", labels, truth)])
    assert again == score_predictions(apart)


def test_a_recording_that_is_labelled_throughout_is_scored_as_it_is():
    whole = Prediction("one", TRUTH, TRUTH)
    assert whole.labelled_parts() == [whole]


def test_a_prediction_is_read_as_published_as_held_and_raw():
    edges = np.arange(5) / 10
    held = [Segment("a", 0.1, 0.3), Segment("b", 0.3, 0.6)]
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    one = Prediction("x", list("aabb"), list("abab"), held, ("a", "b"), probabilities, edges)
    assert one.read_as("published") is one
    assert one.read_as("held").labels == ["a", "a", "b", "b"] == one.held
    raw = one.read_as("raw")
    assert raw.labels == list("abab") and raw.believed is None
    assert score_predictions([raw])["acc"] == 100 and "held_acc" not in score_predictions([raw])
    held_scores = score_predictions([one.read_as("held")])
    assert held_scores["acc"] == held_scores["held_acc"]
    with pytest.raises(M2R2Error, match="x: a raw reading takes probabilities, and it has none"):
        Prediction("x", ["a"], ["a"]).read_as("raw")
    with pytest.raises(M2R2Error, match="x: no planner holds labels that see a whole recording"):
        Prediction("x", ["a"], ["a"]).read_as("held")
