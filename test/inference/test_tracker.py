# SPDX-License-Identifier: Apache-2.0
"""The segment tracker: what a planner may rely on, for any stream of posteriors."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from procedures import procedures

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference import tracker as trackers
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig
from m2r2_ros.labels import legacy_vocabulary

STARTED, ONGOING, ENDED = SegmentStatus
LABELS = ("No action", "Pick USB", "Insert large gear")
VOCABULARY = legacy_vocabulary(LABELS)
# Two activities with objects to choose from: for what must hold for any stream.
MANY_LABELS = (*LABELS, "Insert USB", "Insert BNC", "Pick BNC")
MANY = legacy_vocabulary(MANY_LABELS)
PERIOD_NS = 100_000_000
IMMEDIATE = TrackerConfig(confirm_s=0, min_duration_s=0, heartbeat_s=3600, hysteresis=0)


def frame(tenths: float, label: int, confidence: float = 0.9, boundary: float = 0.0):
    """A frame at `tenths` of a second that favours `label`; the rest is shared equally."""
    probabilities = np.full(len(LABELS), (1 - confidence) / (len(LABELS) - 1), np.float32)
    probabilities[label] = confidence
    return FramePrediction(0, round(tenths * PERIOD_NS), probabilities, boundary)


def play(tracker: SegmentTracker, frames: list[FramePrediction]) -> list[SegmentEvent]:
    return [event for frame in frames for event in tracker.step(frame)]


def brief(events: list[SegmentEvent]) -> list[tuple]:
    """(stamp, status, id, label, start, end), times in tenths of a second."""
    return [
        (
            event.stamp_ns / PERIOD_NS,
            event.status.name,
            event.segment_id,
            event.label,
            event.start_ns / PERIOD_NS,
            event.end_ns / PERIOD_NS,
        )
        for event in events
    ]


def test_a_label_is_published_when_it_has_won_long_enough() -> None:
    tracker = SegmentTracker(
        VOCABULARY, TrackerConfig(confirm_s=0.3, min_duration_s=0, heartbeat_s=9)
    )
    frames = [frame(i, 0) for i in range(5)] + [frame(i, 1) for i in range(5, 9)]
    assert brief(play(tracker, frames)) == [
        (3, "STARTED", 0, "No action", 0, 3),
        (7, "ENDED", 0, "No action", 0, 4),
        (7, "STARTED", 1, "Pick USB", 4, 7),
    ]
    assert brief(tracker.close(8 * PERIOD_NS)) == [(8, "ENDED", 1, "Pick USB", 4, 8)]


def test_a_flicker_belongs_to_the_open_segment() -> None:
    tracker = SegmentTracker(
        VOCABULARY, TrackerConfig(confirm_s=0.3, min_duration_s=0, heartbeat_s=9)
    )
    labels = [0, 0, 0, 0, 1, 1, 0, 2, 0, 1, 2, 1, 0]
    play(tracker, [frame(i, label) for i, label in enumerate(labels)])
    assert brief([tracker.current]) == [(12, "ONGOING", 0, "No action", 0, 12)]
    assert tracker.history == []


def test_a_heartbeat_never_claims_time_that_a_candidate_may_get() -> None:
    config = TrackerConfig(confirm_s=0.4, min_duration_s=0, heartbeat_s=0, boundary_trust=0)
    tracker = SegmentTracker(VOCABULARY, config)
    labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert brief(play(tracker, [frame(i, label) for i, label in enumerate(labels)])) == [
        (4, "STARTED", 0, "No action", 0, 4),
        (5, "ONGOING", 0, "No action", 0, 5),
        (6, "ONGOING", 0, "No action", 0, 5),
        (7, "ONGOING", 0, "No action", 0, 5),
        (8, "ONGOING", 0, "No action", 0, 5),
        (9, "ENDED", 0, "No action", 0, 5),
        (9, "STARTED", 1, "Pick USB", 5, 9),
    ]


def test_a_short_segment_is_held_until_its_minimum() -> None:
    tracker = SegmentTracker(VOCABULARY, replace(IMMEDIATE, min_duration_s=0.5))
    frames = [frame(0, 0), frame(1, 0), *(frame(i, 1) for i in range(2, 8))]
    assert brief(play(tracker, frames)) == [
        (0, "STARTED", 0, "No action", 0, 0),
        (5, "ENDED", 0, "No action", 0, 5),
        (5, "STARTED", 1, "Pick USB", 5, 5),
    ]


@pytest.mark.parametrize(("boundary", "stamp"), [(0.0, 8), (0.5, 7), (1.0, 6)])
def test_a_boundary_makes_a_label_believed_sooner(boundary: float, stamp: int) -> None:
    config = TrackerConfig(confirm_s=0.4, boundary_trust=0.5, min_duration_s=0, heartbeat_s=9)
    for early in (0, 1):  # At the first frame of the label, or one frame before.
        frames = [frame(i, int(i >= 5), boundary=boundary * (i == 5 - early)) for i in range(9)]
        started = play(SegmentTracker(VOCABULARY, config), frames)[-1]
        assert brief([started]) == [(stamp, "STARTED", 1, "Pick USB", 4, stamp)]
        assert started.boundary_confidence == boundary


DOUBTING = TrackerConfig(
    confirm_s=0.1, sure_above=0.8, patience_s=1.0, min_duration_s=0, heartbeat_s=9, hysteresis=0
)


def test_an_unsure_activity_is_published_once_it_is_sure() -> None:
    frames = [frame(i, 0) for i in range(5)]
    frames += [frame(i, 1, confidence=0.9 if i >= 8 else 0.6) for i in range(5, 10)]
    assert brief(play(SegmentTracker(VOCABULARY, DOUBTING), frames))[1:] == [
        (8, "ENDED", 0, "No action", 0, 4),
        (8, "STARTED", 1, "Pick USB", 4, 8),
    ]


def test_an_activity_that_stays_unsure_is_published_when_patience_ends() -> None:
    frames = [frame(i, int(i >= 5), confidence=0.6 if i >= 5 else 0.9) for i in range(20)]
    started = play(SegmentTracker(VOCABULARY, DOUBTING), frames)[-1]
    assert brief([started]) == [(14, "STARTED", 1, "Pick USB", 4, 14)]


def test_a_segment_starts_where_the_open_one_stopped_winning() -> None:
    """It sets out to pick or to insert: which of them shows later."""
    frames = [frame(i, 0) for i in range(5)]
    frames += [frame(i, 1, confidence=0.6, boundary=0.7 * (i == 5)) for i in range(5, 8)]
    frames += [frame(i, 2) for i in range(8, 10)]
    started = play(SegmentTracker(VOCABULARY, DOUBTING), frames)[-1]
    assert brief([started]) == [(8, "STARTED", 1, "Insert large gear", 4, 8)]
    assert started.boundary_confidence == 0.7


def test_a_segment_starts_anew_when_the_open_one_has_won_in_between() -> None:
    labels = [0, 0, 0, 0, 1, 0, 2, 2, 2]
    frames = [
        frame(i, label, confidence=0.9 if label != 1 else 0.6) for i, label in enumerate(labels)
    ]
    assert brief(play(SegmentTracker(VOCABULARY, DOUBTING), frames))[-1] == (
        6,
        "STARTED",
        1,
        "Insert large gear",
        5,
        6,
    )


def test_unknown_is_no_doubt() -> None:
    frames = [frame(i, 0) for i in range(5)] + [frame(i, 1, confidence=0.35) for i in range(5, 8)]
    started = play(SegmentTracker(VOCABULARY, DOUBTING), frames)[-1]
    assert brief([started]) == [(5, "STARTED", 1, "unknown", 4, 5)]


def test_hysteresis_keeps_the_open_label() -> None:
    config = replace(IMMEDIATE, unknown_below=0.4, hysteresis=0.1)
    tracker = SegmentTracker(VOCABULARY, config)

    def label_after(*probabilities: float) -> str:
        stamp = (tracker.current.stamp_ns if tracker.current else 0) + PERIOD_NS
        values = np.array(probabilities, np.float32)
        tracker.step(FramePrediction(0, stamp, values, 0.0))
        return tracker.current.label

    assert label_after(0.39, 0.31, 0.30) == "unknown"
    assert label_after(0.41, 0.30, 0.29) == "No action"
    assert label_after(0.45, 0.50, 0.05) == "No action"  # Ahead, but by less than 0.1.
    assert label_after(0.31, 0.35, 0.34) == "No action"  # Below 0.4, but by less than 0.1.
    assert label_after(0.40, 0.55, 0.05) == "Pick USB"
    assert label_after(0.35, 0.29, 0.36) == "unknown"


def test_unknown_is_a_segment_without_class_and_action() -> None:
    tracker = SegmentTracker(VOCABULARY, replace(IMMEDIATE, unknown_below=0.6))
    (event,) = tracker.step(frame(0, 1, confidence=0.5))
    assert (event.label, event.class_id, event.action, event.object) == ("unknown", -1, "", "")
    assert event.confidence == pytest.approx(0.5)
    (_, event) = tracker.step(frame(1, 2, confidence=0.9))
    assert (event.label, event.class_id) == ("Insert large gear", 2)
    assert (event.action, event.object) == ("insert", "large gear")
    (_, event) = tracker.step(frame(2, 0, confidence=0.9))
    assert (event.label, event.class_id, event.action, event.object) == ("No action", 0, "", "")


OBJECTS = ("No action", "Insert USB", "Insert BNC", "Insert Ethernet", "Pick USB")
WITH_OBJECTS = legacy_vocabulary(OBJECTS)


def stamped(tenths: int, *probabilities: float) -> FramePrediction:
    return FramePrediction(0, tenths * PERIOD_NS, np.array(probabilities, np.float32), 0.0)


def test_the_activity_is_decided_before_its_object() -> None:
    """The most probable class is "No action", but most of the probability is on inserting."""
    tracker = SegmentTracker(WITH_OBJECTS, replace(IMMEDIATE, object_unknown_below=0.4))
    (event,) = tracker.step(stamped(0, 0.35, 0.30, 0.18, 0.12, 0.05))
    assert (event.label, event.class_id, event.action, event.object) == (
        "Insert USB",
        1,
        "insert",
        "USB",
    )
    assert event.confidence == pytest.approx(0.30)


def test_a_sure_activity_with_an_unsure_object_is_published_without_it() -> None:
    tracker = SegmentTracker(WITH_OBJECTS, replace(IMMEDIATE, object_unknown_below=0.4))
    (event,) = tracker.step(stamped(0, 0.1, 0.30, 0.29, 0.28, 0.03))
    assert (event.label, event.class_id, event.action, event.object) == (
        "Insert",
        -1,
        "insert",
        "",
    )
    assert event.confidence == pytest.approx(0.87)
    (named,) = tracker.step(stamped(1, 0.1, 0.6, 0.2, 0.1, 0.0))
    assert (named.status, named.segment_id, named.start_ns) == (ONGOING, event.segment_id, 0)
    assert (named.label, named.class_id, named.object) == ("Insert USB", 1, "USB")
    assert named.confidence == pytest.approx(0.6)
    ended, started = tracker.step(stamped(2, 0.3, 0.1, 0.1, 0.1, 0.3))
    assert (ended.label, started.label, started.action) == ("Insert USB", "unknown", "")
    assert [segment.label for segment in tracker.history] == ["Insert USB"]


@pytest.mark.parametrize("least", [0.4, 0.45])
def test_at_its_end_an_activity_is_given_its_most_probable_object(least) -> None:
    """By its last half second, once that is over; the frames before and after it say another."""
    config = replace(IMMEDIATE, object_unknown_below=0.6, unknown_below=least, confirm_s=0.2)
    tracker = SegmentTracker(WITH_OBJECTS, config)
    ethernet, bnc, idle = (0, 0.2, 0.3, 0.5, 0), (0.1, 0.2, 0.38, 0.32, 0), (0.7, 0, 0, 0.3, 0)
    posteriors = [ethernet] * 7 + [bnc] * 5 + [idle] * 3
    events = play(tracker, [stamped(i, *each) for i, each in enumerate(posteriors)])
    share = 0.38 / (0.2 + 0.38 + 0.32)
    if share < least:
        assert [event.label for event in events] == ["Insert", "Insert", "No action"]
        return
    assert brief(events) == [
        (2, "STARTED", 0, "Insert", 0, 2),
        (13, "ONGOING", 0, "Insert BNC", 0, 11),
        (13, "ENDED", 0, "Insert BNC", 0, 11),
        (13, "STARTED", 1, "No action", 11, 13),
    ]
    assert events[1].confidence == events[2].confidence == pytest.approx(0.38)
    assert (events[1].class_id, events[1].object) == (2, "BNC")


def test_what_is_cut_off_is_given_no_object() -> None:
    tracker = SegmentTracker(WITH_OBJECTS, replace(IMMEDIATE, object_unknown_below=0.6))
    play(tracker, [stamped(i, 0, 0.5, 0.3, 0.2, 0) for i in range(9)])
    assert [event.label for event in tracker.close(9 * PERIOD_NS)] == ["Insert"]


def test_an_object_is_believed_like_a_label_and_never_exchanged() -> None:
    config = replace(IMMEDIATE, confirm_s=0.3, object_unknown_below=0.5, min_duration_s=2.0)
    tracker = SegmentTracker(WITH_OBJECTS, config)
    unsure, usb, bnc = (0, 0.4, 0.3, 0.3, 0), (0, 0.8, 0.1, 0.1, 0), (0, 0.1, 0.8, 0.1, 0)
    posteriors = [unsure] * 4 + [usb] * 2 + [unsure] * 2 + [usb] * 4 + [bnc] * 14
    events = play(tracker, [stamped(i, *each) for i, each in enumerate(posteriors)])
    assert brief(events) == [
        (3, "STARTED", 0, "Insert", 0, 3),
        # Twice 0.2 s are no 0.3 s. The least duration is that of the whole.
        (10, "ONGOING", 0, "Insert USB", 0, 10),
        (23, "ENDED", 0, "Insert USB", 0, 20),
        (23, "STARTED", 1, "Insert BNC", 20, 23),
    ]


def test_an_activity_with_one_object_leaves_none_open() -> None:
    tracker = SegmentTracker(WITH_OBJECTS, replace(IMMEDIATE, object_unknown_below=1.0))
    (event,) = tracker.step(stamped(0, 0.2, 0.1, 0.1, 0.1, 0.5))
    assert (event.label, event.class_id) == ("Pick USB", 4)


def test_hysteresis_keeps_the_open_object_by_its_share() -> None:
    config = replace(IMMEDIATE, hysteresis=0.15, object_unknown_below=0.4)
    tracker = SegmentTracker(WITH_OBJECTS, config)

    def label_after(*probabilities: float) -> str:
        stamp = (tracker.current.stamp_ns if tracker.current else 0) // PERIOD_NS + 1
        tracker.step(stamped(stamp, *probabilities))
        return tracker.current.label

    assert label_after(0, 0.5, 0.4, 0.1, 0) == "Insert USB"
    assert label_after(0, 0.41, 0.55, 0.04, 0) == "Insert USB"  # Behind, but by less than 0.15.
    assert label_after(0, 0.3, 0.35, 0.35, 0) == "Insert USB"  # Below 0.4, by less than 0.15.
    assert label_after(0, 0.1, 0.8, 0.1, 0) == "Insert BNC"
    # None has 0.4 of the inserting: no sign of another one.
    assert label_after(0, 0.39, 0.22, 0.39, 0) == "Insert BNC"
    assert label_after(0.5, 0.19, 0.12, 0.19, 0) == "Insert BNC"  # As probable as no action.
    assert label_after(0.65, 0.15, 0.1, 0.1, 0) == "No action"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_posterior_that_is_not_finite_is_unknown(bad: float) -> None:
    tracker = SegmentTracker(VOCABULARY, IMMEDIATE)
    tracker.step(frame(0, 1))
    broken = replace(frame(1, 1), probabilities=np.array([0.1, bad, 0.1], np.float32))
    assert [event.label for event in tracker.step(broken)] == ["Pick USB", "unknown"]


def test_confidence_is_the_mean_over_the_frames_that_decided() -> None:
    tracker = SegmentTracker(
        VOCABULARY, TrackerConfig(confirm_s=0.3, min_duration_s=0, heartbeat_s=9)
    )
    play(tracker, [frame(i, 0, confidence) for i, confidence in enumerate([0.6, 0.7, 0.8, 0.9])])
    play(tracker, [frame(4, 1, 0.8)])
    assert tracker.current.confidence == pytest.approx(0.75)
    play(tracker, [frame(5, 1, 0.6), frame(6, 1, 0.7)])
    assert tracker.history[0].confidence == pytest.approx(0.75)
    assert tracker.current.confidence == pytest.approx(0.7)


def test_a_jump_back_ends_the_segment_and_ids_count_on() -> None:
    tracker = SegmentTracker(VOCABULARY, IMMEDIATE)
    events = play(tracker, [frame(50, 0), frame(51, 0), frame(3, 0), frame(4, 0)])
    assert brief(events) == [
        (50, "STARTED", 0, "No action", 50, 50),
        (3, "ENDED", 0, "No action", 50, 51),
        (3, "STARTED", 1, "No action", 3, 3),
    ]


def test_heartbeats_come_at_their_period() -> None:
    tracker = SegmentTracker(VOCABULARY, replace(IMMEDIATE, heartbeat_s=1.0))
    events = play(tracker, [frame(i, 0) for i in range(35)])
    assert [event.stamp_ns // PERIOD_NS for event in events] == [0, 10, 20, 30]


def test_history_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(trackers, "HISTORY_LENGTH", 3)
    tracker = SegmentTracker(VOCABULARY, IMMEDIATE)
    play(tracker, [frame(i, i % 2) for i in range(10)])
    assert [event.segment_id for event in tracker.history] == [6, 7, 8]
    assert all(event.status is ENDED for event in tracker.history)


def test_close_without_a_segment_says_nothing() -> None:
    tracker = SegmentTracker(VOCABULARY)
    assert tracker.close(0) == []
    assert tracker.current is None
    tracker.step(frame(0, 0))
    assert tracker.close(1) == []


@pytest.mark.parametrize("name", [entry.name for entry in fields(TrackerConfig)])
@pytest.mark.parametrize("value", [-0.1, 1e9, float("nan"), "1", None, True])
def test_config_names_the_bad_value(name: str, value: object) -> None:
    with pytest.raises(M2R2Error, match=f"tracker {name} must be in"):
        TrackerConfig.from_dict({name: value})


def test_config_takes_whole_numbers_and_describes_itself() -> None:
    assert TrackerConfig.from_dict({"confirm_s": 1}).confirm_s == 1
    for entry in fields(TrackerConfig):
        low, high = entry.metadata["range"]
        assert low <= entry.default <= high
        assert entry.metadata["description"].endswith(".")


NUMBERS = st.floats(0, 1, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 2.0])
STEPS_NS = st.just(PERIOD_NS) | st.integers(0, 3 * PERIOD_NS) | st.just(-10 * PERIOD_NS)
SECONDS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])
CONFIGS = st.builds(
    TrackerConfig,
    unknown_below=st.floats(0, 1),
    object_unknown_below=st.floats(0, 1),
    hysteresis=st.floats(0, 1),
    confirm_s=SECONDS,
    boundary_trust=st.floats(0, 1),
    sure_above=st.floats(0, 1),
    patience_s=SECONDS,
    min_duration_s=SECONDS,
    heartbeat_s=SECONDS,
    procedure_prior=st.floats(0, 1),
    evidence_per_s=st.floats(0.01, 100),
    commit_level=st.floats(0.5, 1),
)
PROCEDURES = st.none() | procedures(len(MANY_LABELS))


@st.composite
def streams(draw: st.DrawFn) -> list[FramePrediction]:
    """Runs of one favoured label mixed with arbitrary posteriors; time may stand or jump back."""
    stamp, frames = draw(st.sampled_from([0, 1_700_000_000_123_456_789])), []
    for _ in range(draw(st.integers(0, 12))):
        label, length = draw(st.integers(0, len(LABELS) - 1)), draw(st.integers(1, 8))
        for _ in range(length):
            stamp += draw(STEPS_NS)
            posterior = np.zeros(len(MANY_LABELS), np.float32)
            posterior[: len(LABELS)] = frame(0, label).probabilities
            if draw(st.booleans()):
                posterior = np.array([draw(NUMBERS) for _ in MANY_LABELS], np.float32)
            frames.append(FramePrediction(0, stamp, posterior, draw(NUMBERS)))
    return frames


class Planner:
    """Believes what it is told, and checks that it may."""

    def __init__(self, config: TrackerConfig) -> None:
        self.min_duration_ns = round(config.min_duration_s * 1e9)
        self.open: SegmentEvent | None = None
        self.next_id = 0
        self.known_ns: int | None = None

    def hear(self, event: SegmentEvent) -> None:
        assert 0 <= event.confidence <= 1
        assert 0 <= event.boundary_confidence <= 1
        assert event.start_ns <= event.end_ns
        if event.status is STARTED:
            assert self.open is None
            assert event.segment_id == self.next_id
            self.next_id += 1
            assert self.known_ns is None or event.start_ns >= self.known_ns
        else:
            assert self.open is not None
            for name in ("segment_id", "action", "start_ns", "boundary_confidence"):
                assert getattr(event, name) == getattr(self.open, name), name
            is_named_now = event.status is ONGOING and self.open.action and not self.open.object
            if not (is_named_now and event.object):
                assert (event.label, event.class_id) == (self.open.label, self.open.class_id)
            assert event.end_ns >= self.known_ns
        self.known_ns = event.end_ns
        self.open = None if event.status is ENDED else event


@given(frames=streams(), config=CONFIGS, procedure=PROCEDURES)
@settings(deadline=None, max_examples=300)
def test_a_planner_can_rely_on_any_stream(
    frames: list[FramePrediction], config: TrackerConfig, procedure: Procedure | None
) -> None:
    tracker, planner = SegmentTracker(MANY, config, procedure=procedure), Planner(config)
    last_ns = None
    for prediction in frames:
        jumped = last_ns is not None and prediction.stamp_ns < last_ns
        events = tracker.step(prediction)
        for event in events:
            assert event.stamp_ns == prediction.stamp_ns
            if jumped and planner.open is None:
                planner.known_ns = None  # Another timeline has begun.
            else:
                assert event.end_ns <= (last_ns if jumped else prediction.stamp_ns)
            planner.hear(event)
        if jumped and planner.open is None:
            planner.known_ns = None
        ended = [event for event in events if event.status is ENDED]
        if ended and not jumped:
            assert ended[0].end_ns - ended[0].start_ns >= planner.min_duration_ns
        # The last message always tells a late joiner of the current segment.
        current = tracker.current
        assert (current is None) == (planner.open is None)
        if current is not None:
            assert current.segment_id == planner.open.segment_id
            assert current.end_ns >= planner.known_ns
            # Whoever asks for the segments so far is told that, too.
            planner.known_ns = current.end_ns
        last_ns = prediction.stamp_ns
    for event in tracker.close(last_ns or 0):
        planner.hear(event)
    assert planner.open is None
    assert [event.segment_id for event in tracker.history] == list(range(planner.next_id))


@given(frames=streams(), config=CONFIGS, procedure=PROCEDURES, shift=st.integers(0, 2**60))
@settings(deadline=None, max_examples=50)
def test_the_epoch_does_not_matter(
    frames: list[FramePrediction],
    config: TrackerConfig,
    procedure: Procedure | None,
    shift: int,
) -> None:
    moved = [replace(prediction, stamp_ns=prediction.stamp_ns + shift) for prediction in frames]
    expected = [
        replace(
            event,
            stamp_ns=event.stamp_ns + shift,
            start_ns=event.start_ns + shift,
            end_ns=event.end_ns + shift,
        )
        for event in play(SegmentTracker(MANY, config, procedure=procedure), frames)
    ]
    found = play(SegmentTracker(MANY, config, procedure=procedure), moved)
    assert found == expected


@given(config=CONFIGS, offset=st.floats(0, 0.99))
@settings(deadline=None)
def test_a_lasting_change_is_published_within_its_delay(
    config: TrackerConfig, offset: float
) -> None:
    """confirm_s or patience_s, or what is left of the minimum duration, plus one frame."""
    config = replace(config, unknown_below=0.5, hysteresis=min(config.hysteresis, 0.3))
    frames = [frame(i + offset, 0) for i in range(30)] + [
        frame(i + offset, 1) for i in range(30, 60)
    ]
    started = [e for e in play(SegmentTracker(VOCABULARY, config), frames) if e.status is STARTED]
    assert [event.label for event in started] == ["No action", "Pick USB"]
    assert started[1].start_ns == frames[29].stamp_ns
    delay_ns = started[1].stamp_ns - started[1].start_ns
    assert delay_ns <= max(round(max(config.confirm_s, config.patience_s) * 1e9), 1) + PERIOD_NS
