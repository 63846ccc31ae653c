# SPDX-License-Identifier: Apache-2.0
"""Delays, recognition and false starts: by hand, and against what must hold of any product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.evaluation.delay import (
    HOLD_S,
    beliefs_from_frames,
    held_at,
    summary,
    timeliness,
)
from m2r2_ros.evaluation.frame_times import (
    edges_from_stamps,
    nominal_edges,
    segments_from_frames,
)
from m2r2_ros.evaluation.segments import Segment

TRUTH = [Segment("idle", 0, 2), Segment("A", 2, 5), Segment("idle", 5, 6), Segment("B", 6, 9)]


def believed(*parts: tuple[str, float, float]) -> list[Segment]:
    return [Segment(*part) for part in parts]


def delays(*parts: tuple[str, float, float]) -> list[float | None]:
    return timeliness(believed(*parts), TRUTH, idle=["idle"]).delays_s


def test_from_the_true_start_to_the_message():
    assert delays(("idle", 0, 2.4), ("A", 2.4, 6.7), ("B", 6.7, 9)) == pytest.approx([0.4, 0.7])


def test_a_label_that_already_stands_has_no_delay():
    assert delays(("A", 1, 5.5), ("B", 5.5, 9)) == [0, 0]


def test_a_label_is_held_for_half_a_second_or_to_the_end():
    # 0.3 s of A do not count, the second time does; B comes 0.2 s before its end.
    assert delays(("A", 2.1, 2.4), ("idle", 2.4, 4), ("A", 4, 5), ("B", 8.8, 9)) == [
        pytest.approx(2),
        pytest.approx(2.8),
    ]
    assert delays(("A", 2.1, 2.1 + HOLD_S)) == [pytest.approx(0.1), None]


def test_a_message_after_the_end_is_none():
    assert delays(("A", 5, 6), ("B", 9, 12)) == [None, None]


def test_idle_is_no_action_on_either_side():
    found = timeliness(believed(("idle", 0, 9)), TRUTH, idle=["idle"])
    assert found.delays_s == [None, None] and found.false_starts == 0


def test_false_starts_are_what_meets_no_action_first():
    parts = (("A", 2.2, 3), ("B", 3, 3.2), ("A", 3.2, 5), ("idle", 5, 6.1), ("B", 6.1, 9))
    # B in the middle of A is false, and A is announced twice.
    assert timeliness(believed(*parts), TRUTH, ["idle"]).false_starts == 2


def test_one_belief_may_meet_two_actions():
    twice = [Segment("A", 0, 1), Segment("idle", 1, 1.2), Segment("A", 1.2, 3)]
    found = timeliness(believed(("A", 0.1, 3)), twice, ["idle"])
    assert found.false_starts == 0 and found.delays_s == [pytest.approx(0.1), 0]


def test_what_is_no_class_announces_none():
    parts = believed(("unknown", 2, 3), ("Insert", 3, 4), ("Insert USB", 4, 9))
    truth = [Segment("Insert USB", 2, 9)]
    found = timeliness(parts, truth, classes=["Insert USB"])
    assert found.false_starts == 0 and found.delays_s == [2]


def test_neighbours_of_one_label_are_one_belief():
    parts = (("A", 2, 2.3), ("A", 2.3, 5), ("B", 6, 6.2), ("B", 6.2, 9))
    assert delays(*parts) == [0, 0]
    assert timeliness(believed(*parts), TRUTH, ["idle"]).false_starts == 0


def test_summary_by_hand():
    first = timeliness(believed(("A", 2.4, 6.8), ("B", 6.8, 9)), TRUTH, ["idle"])
    second = timeliness(believed(("B", 2.4, 4)), TRUTH, ["idle"])
    found = summary([first, second])
    assert found["delay_s"] == found["delay_p50_s"] == pytest.approx(0.6)
    assert found["delay_p90_s"] == pytest.approx(0.4 + 0.9 * 0.4)
    assert found["recognised"] == 50 and found["false_starts"] == 0.25


def test_nothing_recognised_and_nothing_to_recognise():
    nothing = summary([timeliness([], TRUTH, ["idle"])])
    assert nothing["delay_s"] is None and nothing["recognised"] == 0
    none = summary([timeliness(believed(("A", 0, 1)), [], ["idle"])])
    assert none["recognised"] is None and none["false_starts"] is None


def test_a_frame_is_said_at_its_end():
    """A label that turns with the truth's frame is a frame late: it was not known before."""
    truth, held = list("iiAAAAAAii"), list("iiAAAAAAii")
    edges = nominal_edges(10, 10)
    found = timeliness(beliefs_from_frames(held, edges), segments_from_frames(truth, edges), "i")
    assert found.delays_s == [pytest.approx(0.1)]


def test_frames_have_the_stamps_of_their_recording():
    edges = edges_from_stamps(np.array([5_000_000_000, 5_090_000_000, 5_290_000_000]), 10)
    np.testing.assert_allclose(edges, [0, 0.1, 0.19, 0.39])
    a, b = Segment("A", 0, edges[2]), Segment("B", edges[2], edges[3])
    assert segments_from_frames("AAB", edges) == [a, b]
    assert beliefs_from_frames("AAB", edges)[0] == Segment("A", edges[1], edges[3])


def test_what_is_held_at_a_time():
    parts = believed(("A", 1, 2), ("B", 2, 3))
    assert held_at(parts, np.array([0.5, 1, 1.9, 2, 3]), "idle") == ["idle", "A", "A", "B", "idle"]


labels = st.lists(st.sampled_from("iAB"), min_size=1, max_size=60)


@given(labels)
def test_the_truth_itself_recognises_all_that_lasts_a_frame_more(truth):
    """It is one frame late, so an action of one frame is over when it is said."""
    edges = nominal_edges(len(truth), 10)
    actions = [s for s in segments_from_frames(truth, edges) if s.label != "i"]
    found = timeliness(beliefs_from_frames(truth, edges), actions)
    for action, delay in zip(actions, found.delays_s, strict=True):
        lasts = round(10 * (action.end_s - action.start_s))
        assert delay == (pytest.approx(0.1) if lasts > 1 else None)


@given(labels, labels)
def test_announcements_are_false_or_the_first_of_an_action(truth, held):
    held = (held * 60)[: len(truth)]
    edges = nominal_edges(len(truth), 10)
    beliefs = beliefs_from_frames(held, edges)
    found = timeliness(beliefs, segments_from_frames(truth, edges), "i")
    announced = sum(belief.label != "i" for belief in beliefs)
    assert 0 <= found.false_starts <= announced
    assert all(delay is None or delay >= 0 for delay in found.delays_s)
