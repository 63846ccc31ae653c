# SPDX-License-Identifier: Apache-2.0
"""Messages give back what went in, also through serialised bytes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message

from m2r2_msgs.msg import ActionSegment as RosActionSegment
from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import (
    ActionOutcome,
    FramePrediction,
    SegmentEvent,
    SegmentStatus,
)
from m2r2_ros.inference.window_feature import WindowFeature
from m2r2_ros.messages.audio_chunks import decode_audio
from m2r2_ros.nodes import conversions
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow

LAYOUT = REASSEMBLE_LAYOUT
NOW_NS = 1_736_510_400_123_456_789


def through_bytes(message):
    return deserialize_message(serialize_message(message), type(message))


def assert_same(a, b):
    """Equal to the last bit, arrays with their types and shapes."""
    assert type(a) is type(b)
    for field in fields(a):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, dict):
            assert left.keys() == right.keys()
            pairs = [(left[key], right[key]) for key in left]
        else:
            pairs = [(left, right)]
        for x, y in pairs:
            if isinstance(x, np.ndarray):
                assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
            else:
                assert x == y


def window(missing=()):
    random = np.random.default_rng(7)
    present = [name for name in LAYOUT.modalities if name not in missing]
    widths = {"wrench": 6, "pose": 7, "twist": 6, "gripper": 1}
    return SensorWindow(
        index=41,
        start_ns=NOW_NS - 100_000_000,
        end_ns=NOW_NS,
        images={
            name: random.integers(0, 256, (48, 64 + i, 3), np.uint8)
            for i, name in enumerate(LAYOUT.cameras)
            if name in present
        },
        audio=random.normal(0, 0.1, 1600 if "audio" in present else 0).astype(np.float32),
        signals={
            name: random.normal(0, 1, (30, widths[name])).astype(np.float32)
            for name in LAYOUT.signals
            if name in present
        },
        mask={name: name in present for name in LAYOUT.modalities},
    )


@pytest.mark.parametrize("missing", [(), ("hama1",), ("audio", "pose"), LAYOUT.modalities])
def test_window(missing):
    original = window(missing)
    message = through_bytes(conversions.window_to_ros(original, LAYOUT))
    assert_same(conversions.window_from_ros(message, LAYOUT), original)


def test_window_of_another_layout_is_refused():
    message = conversions.window_to_ros(window(), LAYOUT)
    with pytest.raises(M2R2Error, match="another sensor layout: hama1, hama2, audio"):
        conversions.window_from_ros(message, SensorLayout(cameras=("front",)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.cameras.append("third"),
        lambda m: setattr(m, "mask", [True]),
        lambda m: setattr(m.images[0], "height", 4_000_000_000),
        lambda m: setattr(m.images[0], "encoding", "bgr8"),
        lambda m: setattr(m.signals[0], "dimension", 0),
        lambda m: setattr(m.signals[0], "dimension", 7),
    ],
)
def test_window_that_contradicts_itself_is_refused(spoil):
    message = conversions.window_to_ros(window(), LAYOUT)
    spoil(message)
    with pytest.raises(M2R2Error):
        conversions.window_from_ros(message, LAYOUT)


def test_feature():
    values = np.random.default_rng(1).normal(0, 1, 512).astype(np.float32)
    original = WindowFeature(3, NOW_NS - 1, NOW_NS, values, "ab" * 32, (True, False, True))
    message = through_bytes(conversions.feature_to_ros(original))
    assert_same(conversions.feature_from_ros(message), original)


def test_prediction():
    probabilities = np.array([0.1, 0.7, 0.2], np.float32)
    original = FramePrediction(9, NOW_NS, probabilities, 0.25)
    message = through_bytes(conversions.prediction_to_ros(original, ["a", "b", "c"]))
    assert_same(conversions.prediction_from_ros(message), original)
    assert (message.class_id, message.label) == (1, "b")
    assert message.confidence == probabilities[1]


def test_event():
    original = SegmentEvent(
        stamp_ns=NOW_NS,
        segment_id=2**40,
        status=SegmentStatus.ENDED,
        label="Insert USB",
        action="insert",
        object="USB",
        class_id=-1,
        confidence=0.5,
        start_ns=NOW_NS - 2,
        end_ns=NOW_NS - 1,
        boundary_confidence=0.25,
        outcome=ActionOutcome.FAILURE,
        outcome_confidence=0.75,
        progress=0.5,
    )
    message = through_bytes(conversions.event_to_ros(original))
    assert_same(conversions.event_from_ros(message), original)
    message.status = 7
    with pytest.raises(M2R2Error, match="status 7"):
        conversions.event_from_ros(message)
    message.status, message.outcome = 2, 3
    with pytest.raises(M2R2Error, match="outcome 3"):
        conversions.event_from_ros(message)


def test_what_a_head_does_not_tell():
    told = SegmentEvent(5, 7, SegmentStatus.ENDED, "Pick", "pick", "", 1, 0.5, 1, 4, 0.25)
    message = through_bytes(conversions.event_to_ros(told))
    assert message.outcome == RosActionSegment.UNKNOWN
    assert np.isnan(message.progress) and message.outcome_confidence == 0
    assert conversions.event_from_ros(message) == told


def test_numbers_of_the_message_are_those_of_the_values():
    for kind in (SegmentStatus, ActionOutcome):
        assert {each.name: getattr(RosActionSegment, each.name) for each in kind} == {
            each.name: each.value for each in kind
        }


def test_an_event_has_the_fields_of_its_message():
    """A field of the message that the event lacks would be sent as 0 without a word."""
    ours = {"stamp_ns": "header", "start_ns": "start_time", "end_ns": "end_time"}
    names = [ours.get(field.name, field.name) for field in fields(SegmentEvent)]
    assert sorted(names) == sorted(RosActionSegment.get_fields_and_field_types())


@given(st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1))
def test_time(time_ns):
    assert conversions.time_from_ros(through_bytes(conversions.time_to_ros(time_ns))) == time_ns


def test_audio_is_read_by_the_decoder_of_live_topics_and_bags():
    samples = np.random.default_rng(2).normal(0, 0.1, (480, 2)).astype(np.float32)
    message = conversions.audio_to_ros(samples, 48_000, NOW_NS, "microphone")
    stamp_ns, read, rate_hz = decode_audio(serialize_message(message))
    assert (stamp_ns, rate_hz) == (NOW_NS, 48_000)
    assert read.tobytes() == samples.tobytes()
