# SPDX-License-Identifier: Apache-2.0
"""Audio chunks, and everything that we serialise, against rosbags."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ros_messages import STORE, audio, joints, pose, serialised, twist, wrench

from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK, decode_audio
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.encode import (
    ACTION_SEGMENT,
    encode_audio,
    encode_compressed_image,
    encode_image,
    encode_joints,
    encode_segment,
    encode_text,
    encode_vectors,
)
from m2r2_ros.messages.images import COMPRESSED_IMAGE, IMAGE, decode_image
from m2r2_ros.messages.signals import POSE, TWIST, WRENCH, decode_batch
from m2r2_ros.shipped import shipped


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**60),
    st.integers(1, 192_000),
    st.integers(1, 8),
    st.integers(0, 30),
    st.text("abc", max_size=9),
    st.booleans(),
)
def test_audio_chunks(stamp_ns, rate_hz, channels, length, frame, little):
    samples = np.linspace(-1, 1, length * channels).astype(np.float32)
    message = serialised(audio(stamp_ns, rate_hz, channels, samples, frame), little)
    assert decode_audio(message)[::2] == (stamp_ns, rate_hz)
    read = decode_audio(message)[1]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, samples.reshape(length, channels))


@pytest.mark.parametrize(
    ("rate_hz", "channels", "length", "text"),
    [(0, 1, 4, "0 Hz"), (2**31, 1, 4, "Hz"), (48_000, 0, 4, "0 channels"), (48_000, 3, 4, "3 ch")],
)
def test_impossible_audio(rate_hz, channels, length, text):
    with pytest.raises(MessageError, match=text):
        decode_audio(serialised(audio(0, rate_hz, channels, [0.0] * length)))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_audio_garbage(message):
    with pytest.raises(MessageError):
        decode_audio(message)


@pytest.mark.parametrize(("type_name", "make"), [(WRENCH, wrench), (TWIST, twist), (POSE, pose)])
def test_vectors(type_name, make):
    values = np.random.default_rng(1).normal(size=(3, 7 if type_name == POSE else 6))
    stamps = np.array([1, 10**18, 1_736_522_930_123_456_789])
    messages = list(encode_vectors(type_name, stamps, values, "base_link"))
    expected = [
        serialised(make(int(t), row, "base_link")) for t, row in zip(stamps, values, strict=True)
    ]
    assert messages == expected
    back = decode_batch(type_name, messages)
    np.testing.assert_array_equal(back[0], stamps)
    assert back[1].tobytes() == values.tobytes()


def test_joints():
    positions, efforts = np.arange(6.0).reshape(3, 2), -np.arange(6.0).reshape(3, 2)
    messages = list(encode_joints(np.arange(3), ["a", "b"], positions, None, efforts))
    rows = range(3)
    assert messages == [serialised(joints(k, "ab", positions[k], [], efforts[k])) for k in rows]


def test_pictures_audio_text():
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(decode_image(IMAGE, encode_image(5, "c", picture))[1](), picture)
    message = STORE.deserialize_cdr(
        encode_compressed_image(5, "c", "png", b"abc"), COMPRESSED_IMAGE
    )
    assert (message.format, bytes(message.data), message.header.stamp.nanosec) == ("png", b"abc", 5)
    samples = np.array([[0.1, -0.1], [0.5, 1.0]], np.float32)
    chunk = STORE.deserialize_cdr(encode_audio(9, "m", samples, 48_000), AUDIO_CHUNK)
    assert chunk.channels == 2 and chunk.samples.tolist() == samples.ravel().tolist()
    assert STORE.deserialize_cdr(encode_text("é"), "std_msgs/msg/String").data == "é"


def test_segments():
    fields = {
        "segment_id": 3,
        "status": int(SegmentStatus.ENDED),
        "label": "Insert USB",
        "action": "insert",
        "object": "USB",
        "class_id": 28,
        "confidence": 1.0,
        "boundary_confidence": 0.5,
    }
    read = STORE.deserialize_cdr(encode_segment(4, 1, 4, **fields), ACTION_SEGMENT)
    assert {name: getattr(read, name) for name in fields} == fields
    assert (read.header.stamp.nanosec, read.start_time.nanosec, read.end_time.nanosec) == (4, 1, 4)


def test_the_definitions_are_the_interface_package_itself():
    names = {path.stem for path in shipped("m2r2_msgs/msg").glob("*.msg")}
    assert {"AudioChunk", "ActionSegment"} <= names
    assert all(f"m2r2_msgs/msg/{name}" in STORE.types for name in names)
