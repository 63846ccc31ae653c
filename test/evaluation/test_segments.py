# SPDX-License-Identifier: Apache-2.0
"""Segments in seconds against frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.datasets.recording import Action
from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.evaluation.segments import (
    Segment,
    decisions_from_events,
    frame_labels,
    segments_from_actions,
    segments_from_events,
)
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus


def test_a_frame_has_the_label_of_its_middle():
    segments = [Segment("Pick USB", 0.14, 0.35)]
    # Middles 0.05, 0.15, 0.25, 0.35, 0.45; the end is not part of the segment.
    assert [label == "Pick USB" for label in frame_labels(segments, 0.5, "rest", 10)] == [
        0,
        1,
        1,
        0,
        0,
    ]


def test_frames_without_a_segment_are_a_gap():
    assert frame_labels([], 0.3, "rest", 10) == ["rest"] * 3
    assert frame_labels([], 0, "rest", 10) == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_segments_on_the_frame_grid_come_back(lengths):
    segments, start = [], 0
    for i, length in enumerate(lengths):
        segments.append(Segment(f"class {i}", start / 10, (start + length) / 10))
        start += length
    runs = find_runs(frame_labels(segments, start / 10, "rest", 10))
    assert [(run.label, run.start / 10, run.end / 10) for run in runs] == segments


def test_ground_truth_loses_its_full_stop():
    actions = [Action(0.5, 2.0, "Insert USB."), Action(2.0, 3.0, "No action.")]
    expected = [Segment("Insert USB", 0.5, 2.0), Segment("No action", 2.0, 3.0)]
    assert segments_from_actions(actions) == expected


ORIGIN_NS = 1_700_000_000_000_000_000


def event(status: SegmentStatus, segment_id: int, label: str, *times_s: float) -> SegmentEvent:
    """`times_s`: of the message, of the start, of the end."""
    stamp_ns, start_ns, end_ns = (ORIGIN_NS + round(time_s * 1e9) for time_s in times_s)
    return SegmentEvent(stamp_ns, segment_id, status, label, "", "", 0, 1, start_ns, end_ns, 1)


EVENTS = [
    event(SegmentStatus.STARTED, 0, "No action", 0.3, 0.0, 0.3),
    event(SegmentStatus.ENDED, 0, "No action", 1.4, 0.0, 1.0),
    event(SegmentStatus.STARTED, 1, "Pick USB", 1.4, 1.0, 1.4),
    event(SegmentStatus.ONGOING, 1, "Pick USB", 2.4, 1.0, 2.4),
    event(SegmentStatus.ENDED, 1, "Pick USB", 3.0, 1.0, 3.0),
    event(SegmentStatus.STARTED, 2, "Insert USB", 3.0, 3.0, 3.0),
]


def test_events_become_the_segments_that_ended():
    expected = [Segment("No action", 0.0, 1.0), Segment("Pick USB", 1.0, 3.0)]
    assert segments_from_events(EVENTS, ORIGIN_NS) == expected


def test_a_planner_believes_from_the_message_on():
    expected = [Segment("No action", 0.3, 1.4), Segment("Pick USB", 1.4, 3.0)]
    assert decisions_from_events(EVENTS, ORIGIN_NS) == expected


def test_a_planner_believes_in_an_object_from_when_it_is_named():
    events = [
        event(SegmentStatus.STARTED, 1, "Pick", 1.4, 1.0, 1.4),
        event(SegmentStatus.ONGOING, 1, "Pick", 1.8, 1.0, 1.8),
        event(SegmentStatus.ONGOING, 1, "Pick USB", 2.0, 1.0, 2.0),
        event(SegmentStatus.ENDED, 1, "Pick USB", 3.0, 1.0, 3.0),
    ]
    expected = [Segment("Pick", 1.4, 2.0), Segment("Pick USB", 2.0, 3.0)]
    assert decisions_from_events(events, ORIGIN_NS) == expected
    assert segments_from_events(events, ORIGIN_NS) == [Segment("Pick USB", 1.0, 3.0)]


def test_a_planner_that_joins_late_knows_nothing_of_an_end_without_a_start():
    assert decisions_from_events(EVENTS[1:2], ORIGIN_NS) == []
