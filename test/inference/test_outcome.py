# SPDX-License-Identifier: Apache-2.0
"""Progress and outcome, from the head's optional outputs to a segment's events."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import FEATURE_DIMENSION, write_head

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.outcome import Outlook, outcome_of, success_of
from m2r2_ros.inference.pipeline import SegmentSequence
from m2r2_ros.inference.recent_frames import EVIDENCE_S, RecentFrames, evidence_frames
from m2r2_ros.inference.segment_events import ActionOutcome, FramePrediction, SegmentStatus
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig
from m2r2_ros.labels import legacy_vocabulary

STARTED, ONGOING, ENDED = SegmentStatus
LABELS = ("No action", "Pick USB", "Insert USB")
WAITING = TrackerConfig(confirm_s=0.3, min_duration_s=0, heartbeat_s=0.1, hysteresis=0)

TENTH = 10**8


def logit(share):
    return math.log(share / (1 - share))


def played(answers):
    """Events of frames (label, progress, success), 0.1 s apart."""
    tracker = SegmentTracker(legacy_vocabulary(LABELS), WAITING)
    events = []
    for index, (label, *outlook) in enumerate(answers):
        posterior = np.full(3, 0.05, np.float32)
        posterior[label] = 0.9
        events += tracker.step(FramePrediction(index, index * 10**8, posterior, 0.0, *outlook))
    return events, tracker.close(10**10)


def test_an_action_is_judged_by_the_frames_up_to_its_end():
    # Success falls to 0.1; the last five frames tell it, 0.5 down to 0.1.
    inserting = [(2, k / 10, 0.9 - k / 10) for k in range(9)]
    odds = sum(logit(share / 10) for share in range(1, 6)) / 5
    events, _ = played([*inserting, *[(1, 0.0, 1.0)] * 8])
    (ended,) = (event for event in events if event.status == ENDED)
    assert (ended.label, ended.end_ns) == ("Insert USB", 8 * 10**8)
    assert ended.outcome is ActionOutcome.FAILURE
    assert ended.outcome_confidence == pytest.approx(1 - 1 / (1 + math.exp(-odds)))
    assert ended.progress == pytest.approx(0.8)
    running = [e for e in events if e.status == ONGOING and e.label == "Insert USB"]
    known = [event.progress for event in running if event.end_ns < ended.end_ns]
    assert known == sorted(known) and known[-1] > 0.3
    assert {event.outcome for event in events if event.status != ENDED} == {ActionOutcome.UNKNOWN}


def telling(shares):
    """A frame's answer for every class, the likeliest one's the wrong one to take."""
    return None, 0.99, np.array(shares, np.float32)


@pytest.mark.parametrize("failed", [True, False])
def test_what_comes_right_after_an_action_tells_its_outcome_too(failed):
    """Of a head that answers for every class: up to the end it sees nothing, then the outcome."""
    after = 0.2 if failed else 0.9
    blind, plain = telling((np.nan, 0.99, 0.5)), telling((np.nan, 0.99, after))
    events, _ = played([*[(2, *blind)] * 9, *[(1, *plain)] * 8])
    (ended,) = (event for event in events if event.status == ENDED)
    assert (ended.label, ended.end_ns) == ("Insert USB", 8 * 10**8)
    late = min(5, (ended.stamp_ns - ended.end_ns) // 10**8)
    assert late > 0
    odds = late * logit(after) / (5 + late)
    share = 1 / (1 + math.exp(-odds))
    assert ended.outcome is (ActionOutcome.FAILURE if failed else ActionOutcome.SUCCESS)
    assert ended.outcome_confidence == pytest.approx(max(share, 1 - share), abs=1e-4)


def test_of_a_class_that_is_never_judged_nothing_is_told():
    events, _ = played([*[(2, *telling((0.1, 0.1, np.nan)))] * 9, *[(1, None, None)] * 8])
    (ended,) = (event for event in events if event.status == ENDED)
    assert (ended.outcome, ended.outcome_confidence) == (ActionOutcome.UNKNOWN, 0.0)


def test_what_nobody_tells_is_unknown():
    silent = [(2, None, None)] * 6
    idle = [(0, 0.5, 0.9)] * 6
    events, cut = played([*silent, *idle, *[(1, 0.5, 0.9)] * 6])
    said = {(e.label, e.outcome, e.outcome_confidence) for e in events + cut if e.status == ENDED}
    # The last one is cut off in the midst of its action.
    assert said == {(label, ActionOutcome.UNKNOWN, 0.0) for label in LABELS}
    assert {e.progress for e in events if e.label != "Pick USB"} == {None}


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_more_probable_outcome_is_told_if_it_is_probable_enough(success, least):
    outcome, confidence = outcome_of(success, least)
    if max(success, 1 - success) < least:
        assert (outcome, confidence) == (ActionOutcome.UNKNOWN, 0.0)
    else:
        assert confidence == max(success, 1 - success) >= 0.5
        assert outcome is (ActionOutcome.SUCCESS if success >= 0.5 else ActionOutcome.FAILURE)


SHARES = st.one_of(st.none(), st.floats(0, 1))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), SHARES), min_size=1, max_size=40))
def test_answers_of_a_time_are_those_of_all_frames(steps):
    """Against a plain list of all frames; the known end grows by leaps and the memory is short."""
    recent, all_frames, now, known = RecentFrames(), [], 0, 0
    for step, leap, share in steps:
        now, known = now + step * TENTH, min(known + leap * TENTH, now + step * TENTH)
        all_frames.append((now, share))
        recent.add(FramePrediction(0, now, np.zeros(1), 0.0, share, share), known)
        for end in range(known, now + 1, TENTH):
            before = [answer for stamp, answer in all_frames if stamp <= end]
            assert before == [] or recent.at(end).progress == before[-1]
            for start in (0, end - 2 * TENTH):
                since = max(start, end - round(EVIDENCE_S * 1e9))
                told = [x for at, x in all_frames if since < at <= end and x is not None]
                found = success_of(recent.around(start, end), end, 0)
                assert (found is None) == (not told)
                if told:
                    odds = [logit(min(max(x, 1e-4), 1 - 1e-4)) for x in told]
                    assert found == pytest.approx(1 / (1 + math.exp(-sum(odds) / len(odds))))


@pytest.mark.parametrize("rate_hz", [1, 3, 5, 7.5, 9.99, 10, 10.01, 15, 25, 29.97, 30, 50])
def test_training_counts_the_frames_that_the_tracker_reads(rate_hz):
    """Half a second up to the last frame of an action, and half a second from there on."""
    # A rate may be the mean of frames that do not come evenly: those of 9.99 Hz are 0.1 s apart.
    even_hz = round(rate_hz) if abs(rate_hz - 10) < 0.1 else rate_hz
    recent, stamps = RecentFrames(), [round(k * 1e9 / even_hz) for k in range(150)]
    for stamp in stamps:
        recent.add(FramePrediction(0, stamp, np.zeros(1), 0.0), 0)
    for end in stamps[60:90]:
        told = [frame.stamp_ns for frame in recent.around(0, end)]
        before = sum(stamp <= end for stamp in told)
        assert (before, len(told) - before) == evidence_frames(rate_hz)


def test_an_unsure_outcome_is_unknown():
    for success, outcome in ((0.55, ActionOutcome.UNKNOWN), (0.65, ActionOutcome.SUCCESS)):
        events, _ = played([*[(2, 0.5, success)] * 9, *[(1, 0.0, 1.0)] * 8])
        (ended,) = (event for event in events if event.status == ENDED)
        assert ended.outcome is outcome


def test_a_head_may_tell_progress_and_outcome(tmp_path):
    path = write_head(tmp_path / "head.onnx", "ab" * 32, outlook=("outcome", "progress"))
    head = StreamingHead(path)
    features = np.zeros((3, FEATURE_DIMENSION), np.float32)
    features[:, 0] = 0.25, 0.5, 0.75
    assert head.outlook == Outlook()
    head.run(features)
    assert head.outlook == Outlook(0.75, 0.75)
    sequence = SegmentSequence(head, head.metadata.new_tracker(TrackerConfig(), 0))
    prediction, _ = sequence.process(0, 10**9, features[1])
    assert (prediction.progress, prediction.success) == (0.5, 0.5)
    features[0, 0] = 7.0
    with pytest.raises(M2R2Error, match="no share"):
        head.step(features[0])
    each = StreamingHead(write_head(tmp_path / "each.onnx", "ab" * 32, outlook=("outcomes",)))
    features = np.linspace(0, 1, FEATURE_DIMENSION, dtype=np.float32)
    each.step(features)
    np.testing.assert_array_equal(each.outlook.successes, features[: len(each.labels)])
    features[1] = -3.0
    with pytest.raises(M2R2Error, match="gave 'outcomes' as -3, which is no share"):
        each.step(features)
    features = np.full((3, FEATURE_DIMENSION), 0.5, np.float32)
    plain = StreamingHead(write_head(tmp_path / "plain.onnx", "ab" * 32))
    plain.step(features[1])
    assert plain.outlook == Outlook()
