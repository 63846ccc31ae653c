# SPDX-License-Identifier: Apache-2.0
"""Progress and outcome, from the head's optional outputs to a segment's events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import FEATURE_DIMENSION, write_head

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.outcome import ActionOutlook, Outlook, outcome_of
from m2r2_ros.inference.pipeline import SegmentSequence
from m2r2_ros.inference.segment_events import ActionOutcome, FramePrediction, SegmentStatus
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig
from m2r2_ros.labels import legacy_vocabulary

STARTED, ONGOING, ENDED = SegmentStatus
LABELS = ("No action", "Pick USB", "Insert USB")
WAITING = TrackerConfig(confirm_s=0.3, min_duration_s=0, heartbeat_s=0.1, hysteresis=0)


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
    inserting = [(2, k / 10, 0.9 - k / 10) for k in range(9)]  # success falls to 0.1
    events, _ = played([*inserting, *[(1, 0.0, 1.0)] * 8])
    (ended,) = (event for event in events if event.status == ENDED)
    assert (ended.label, ended.end_ns) == ("Insert USB", 8 * 10**8)
    assert ended.outcome is ActionOutcome.FAILURE
    assert ended.outcome_confidence == pytest.approx(0.9)
    assert ended.progress == pytest.approx(0.8)
    running = [e for e in events if e.status == ONGOING and e.label == "Insert USB"]
    known = [event.progress for event in running if event.end_ns < ended.end_ns]
    assert known == sorted(known) and known[-1] > 0.3
    assert {event.outcome for event in events if event.status != ENDED} == {ActionOutcome.UNKNOWN}


def test_what_nobody_tells_is_unknown():
    silent = [(2, None, None)] * 6
    idle = [(0, 0.5, 0.9)] * 6
    events, cut = played([*silent, *idle, *[(1, 0.5, 0.9)] * 6])
    said = {(e.label, e.outcome, e.outcome_confidence) for e in events + cut if e.status == ENDED}
    # The last one is cut off in the midst of its action.
    assert said == {(label, ActionOutcome.UNKNOWN, 0.0) for label in LABELS}
    assert {e.progress for e in events if e.label != "Pick USB"} == {None}


@given(st.floats(0, 1))
def test_the_more_probable_outcome_is_told(success):
    outcome, confidence = outcome_of(success)
    assert confidence == max(success, 1 - success) >= 0.5
    assert outcome is (ActionOutcome.SUCCESS if success >= 0.5 else ActionOutcome.FAILURE)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=30))
def test_the_answer_of_a_time_is_that_of_the_last_frame_before(steps):
    """Against a plain list of all frames; the known end grows by leaps and the memory is short."""
    outlook, all_frames, now, known = ActionOutlook(), [], 0, 0
    for step, leap in steps:
        now, known = now + step, min(known + leap, now + step)
        all_frames.append((now, Outlook(len(all_frames) / 100)))
        outlook.add(FramePrediction(0, now, np.zeros(1), 0.0, all_frames[-1][1].progress), known)
        for asked in range(known, now + 1):
            before = [answer for stamp, answer in all_frames if stamp <= asked]
            assert outlook.at(asked) == (before[-1] if before else Outlook())


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
    plain = StreamingHead(write_head(tmp_path / "plain.onnx", "ab" * 32))
    plain.step(features[1])
    assert plain.outlook == Outlook()
