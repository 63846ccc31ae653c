# SPDX-License-Identifier: Apache-2.0
"""Signals decoded from CDR against rosbags' serialisers."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ros_messages import header, joints, new, pose, serialised, twist, vector, wrench

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.cdr import CdrReader, MessageError
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.messages.encode import encode_vectors
from m2r2_ros.messages.reading import Reading, reading_of
from m2r2_ros.messages.signals import (
    IMU,
    JOINTS,
    POSE,
    TWIST,
    WRENCH,
    check_message,
    decode_batch,
    joint_columns,
    with_joints,
)
from m2r2_ros.messages.types import accepted_types, check_type
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = REASSEMBLE_LAYOUT

VECTORS = {WRENCH: (wrench, 6), TWIST: (twist, 6), POSE: (pose, 7)}

stamps_ns = st.integers(-(2**31) * 10**9, (2**31 - 1) * 10**9 + 999_999_999)
floats = st.floats(width=64)
frame_ids = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40
)


@st.composite
def vector_messages(draw, width):
    rows = st.lists(floats, min_size=width, max_size=width)
    return draw(st.lists(st.tuples(stamps_ns, rows, frame_ids, st.booleans()), max_size=12))


@pytest.mark.parametrize("type_name", VECTORS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_vectors_of_any_layout(type_name, data):
    make, width = VECTORS[type_name]
    content = data.draw(vector_messages(width))
    messages = [serialised(make(t, row, frame), little) for t, row, frame, little in content]
    stamps, values = decode_batch(type_name, messages)
    assert stamps.dtype == np.int64 and values.dtype == np.float64
    assert stamps.tolist() == [t for t, *_ in content]
    assert values.shape == (len(content), width)
    expected = np.array([row for _, row, *_ in content], np.float64).reshape(-1, width)
    np.testing.assert_array_equal(values, expected)
    frames = [CdrReader(message).header()[1] for message in messages]
    assert frames == [frame for _, _, frame, _ in content]


names_of_joints = st.lists(frame_ids, min_size=1, max_size=5, unique=True)


@settings(max_examples=80, deadline=None)
@given(
    names=names_of_joints,
    count=st.integers(1, 6),
    extras=st.booleans(),
    little=st.booleans(),
    data=st.data(),
)
def test_joint_states_give_the_sum_of_the_chosen(names, count, extras, little, data):
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True))
    width = len(names)
    positions = data.draw(
        st.lists(
            st.lists(st.floats(-10, 10), min_size=width, max_size=width),
            min_size=count,
            max_size=count,
        )
    )
    more = [[1.0] * width, [2.0] * width] if extras else [[], []]
    messages = [serialised(joints(k, names, row, *more), little) for k, row in enumerate(positions)]
    stamps, values = decode_batch(JOINTS, messages, Reading(joints=tuple(chosen)))
    columns = [names.index(name) for name in chosen] or range(width)
    assert stamps.tolist() == list(range(count))
    for row, value in zip(positions, values, strict=True):
        total = 0.0
        for column in columns:
            total += row[column]
        assert value.tolist() == [total]


def test_two_publishers_of_one_topic_alternate():
    """Other joints, other order, other frame: each message is read by its own layout."""
    messages, expected = [], []
    for k in range(10):
        if k % 2:
            messages.append(serialised(joints(k, ["b", "x", "a"], [k, 9, 100])))
        else:
            messages.append(serialised(joints(k, ["a", "b"], [100, k], frame_id="other")))
        expected.append(100.0 + k)
    stamps, values = decode_batch(JOINTS, messages, Reading(joints=("a", "b")))
    assert stamps.tolist() == list(range(10)) and values[:, 0].tolist() == expected


def test_same_length_but_other_names():
    messages = [
        serialised(joints(0, ["a", "b"], [1, 2])),
        serialised(joints(1, ["b", "a"], [3, 4])),
    ]
    assert decode_batch(JOINTS, messages, Reading(joints=("a",)))[1][:, 0].tolist() == [1.0, 4.0]


@pytest.mark.parametrize(("name", "code"), [("Float64Stamped", "d"), ("Float32Stamped", "f")])
def test_stamped_scalars_of_any_package(name, code):
    body = struct.pack("<iII4s", 3, 7, 4, b"abc\0")
    padding = b"\0" * (-len(body) % struct.calcsize(code))
    message = b"\0\1\0\0" + body + padding + struct.pack("<" + code, 0.25)
    stamps, values = decode_batch(f"some_msgs/msg/{name}", [message])
    assert stamps.tolist() == [3_000_000_007] and values.tolist() == [[0.25]]
    check_type(LAYOUT, "gripper", f"some_msgs/msg/{name}")


def good(k):
    return serialised(wrench(k, [k] * 6))


def malformed():
    whole = good(5)
    late = bytearray(whole)
    late[8:12] = (2_000_000_000).to_bytes(4, "little")
    huge = bytearray(whole)
    huge[12:16] = b"\xff\xff\xff\x7f"
    return {
        "empty": b"",
        "two bytes": whole[:2],
        "encapsulation only": whole[:4],
        "header only": whole[:20],
        "one byte short": whole[:-1],
        "other encapsulation": b"\0\7" + whole[2:],
        "two seconds of nanoseconds": bytes(late),
        "frame_id beyond the end": bytes(huge),
    }


@pytest.mark.parametrize("bad", malformed().values(), ids=malformed())
@pytest.mark.parametrize("place", [0, 2, 4])
def test_malformed_messages_are_left_out(bad, place):
    messages = [good(k) for k in range(4)]
    messages.insert(place, bad)
    stamps, values = decode_batch(WRENCH, messages)
    assert stamps.tolist() == [0, 1, 2, 3]
    assert values[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(MessageError):
        check_message(WRENCH, bad, Reading())
    check_message(WRENCH, good(1), Reading())


def test_joint_states_that_contradict_themselves():
    short = serialised(joints(0, ["a", "b"], [1.0]))
    none = serialised(joints(0, [], []))
    other = serialised(joints(0, ["a", "c"], [1.0, 2.0]))
    assert len(decode_batch(JOINTS, [short, none, other], Reading(joints=("a", "b")))[0]) == 0
    with pytest.raises(MessageError, match=r"no joint 'finger_jiont1'.*'finger_joint1'"):
        check_message(
            JOINTS,
            serialised(joints(0, ["finger_joint1"], [1])),
            Reading(joints=("finger_jiont1",)),
        )
    # Four thousand million joints in a message of 60 bytes.
    liar = bytearray(serialised(joints(0, ["a"], [1.0])))
    liar[20:24] = b"\xff\xff\xff\xff"
    assert len(decode_batch(JOINTS, [bytes(liar)])[0]) == 0


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*VECTORS, JOINTS]), st.lists(st.binary(max_size=120), max_size=8))
def test_garbage_never_raises(type_name, messages):
    stamps, values = decode_batch(type_name, messages)
    assert len(stamps) == len(values) <= len(messages)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_byte_costs_at_most_its_message(data):
    messages = [serialised(joints(k, ["a", "b"], [k, k])) for k in range(3)]
    broken = bytearray(messages[1])
    broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    stamps, values = decode_batch(JOINTS, [messages[0], bytes(broken), messages[2]])
    assert stamps[0] == 0 and stamps[-1] == 2 and values[0] == [0.0] and values[-1] == [4.0]


def test_types():
    with pytest.raises(MessageError, match="cannot read geometry_msgs/msg/WrenchStampd"):
        decode_batch("geometry_msgs/msg/WrenchStampd", [])
    with pytest.raises(MessageError, match=r"'pose' needs geometry_msgs/msg/PoseStamped, not"):
        check_type(LAYOUT, "pose", WRENCH)
    assert accepted_types(LAYOUT, "hama1") == (
        "sensor_msgs/msg/Image",
        "sensor_msgs/msg/CompressedImage",
        "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        "foxglove_msgs/msg/CompressedVideo",
    )
    for modality, type_name in {"wrench": WRENCH, "twist": TWIST, "gripper": JOINTS}.items():
        check_type(LAYOUT, modality, type_name)


@pytest.mark.parametrize("modality", ["hand", "wrech", "tactile", "", "audio"])
def test_what_a_layout_does_not_declare_is_no_camera(modality):
    layout = SensorLayout(("hama1",), audio=False, signals=("wrench",))
    with pytest.raises(M2R2Error, match=f"^the sensor layout has no '{modality}'"):
        accepted_types(layout, modality)


def rows_of(names, count, fields, data):
    shape = {"min_size": len(names), "max_size": len(names)}
    one = st.lists(st.floats(-10, 10), **shape)
    return {name: data.draw(st.lists(one, min_size=count, max_size=count)) for name in fields}


@settings(max_examples=60, deadline=None)
@given(
    names=names_of_joints,
    count=st.integers(1, 5),
    field=st.sampled_from(["position", "velocity", "effort"]),
    has_efforts=st.booleans(),
    little=st.booleans(),
    data=st.data(),
)
def test_joints_give_a_column_each(names, count, field, has_efforts, little, data):
    there = ["position", "velocity", "effort"] if has_efforts else ["position", "velocity"]
    rows = rows_of(names, count, there, data)
    messages = [
        serialised(joints(k, names, *(rows[name][k] for name in there)), little)
        for k in range(count)
    ]
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True))
    reading = Reading(len(chosen or names), field, tuple(chosen), is_sum=False)
    stamps, values = decode_batch(JOINTS, messages, reading)
    if field not in there:
        assert len(stamps) == 0
        match = f"{len(names)} joint names, but 'effort' has 0 numbers"
        with pytest.raises(MessageError, match=match):
            check_message(JOINTS, messages[0], reading)
        return
    assert stamps.tolist() == list(range(count))
    columns = [names.index(name) for name in chosen] or list(range(len(names)))
    assert values.tolist() == [[row[column] for column in columns] for row in rows[field]]


def test_joints_that_the_layout_does_not_have():
    message = serialised(joints(0, ["a", "b", "c"], [1, 2, 3]))
    reading = Reading(2, is_sum=False)
    assert len(decode_batch(JOINTS, [message], reading)[0]) == 0
    with pytest.raises(MessageError, match="3 joints, the layout has 2 columns: name them in"):
        check_message(JOINTS, message, reading)


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=7, unique=True),
    is_sum=st.booleans(),
    data=st.data(),
)
def test_a_column_keeps_its_joint(names, is_sum, data):
    """Whatever order, company and block later messages come in; another robot's are left out."""
    value = {name: float(ord(name)) for name in "abcdefgxyz"}
    orders = [names]
    for _ in range(data.draw(st.integers(1, 6))):
        more = data.draw(st.lists(st.sampled_from("xyz"), unique=True))
        orders.append(data.draw(st.permutations([*names, *more])))
    orders.append(list("xyzvwuts")[: len(names)])
    orders = [orders[0], *data.draw(st.permutations(orders[1:]))]
    messages = [
        serialised(joints(k, order, [value.get(name, 0.0) for name in order]))
        for k, order in enumerate(orders)
    ]
    reading, rows, stop = Reading(1 if is_sum else len(names), is_sum=is_sum), [], 0
    while stop < len(messages):
        start, stop = stop, stop + data.draw(st.integers(1, 3))
        reading = with_joints(reading, JOINTS, messages[start:stop])
        rows += decode_batch(JOINTS, messages[start:stop], reading)[1].tolist()
    expected = [value[name] for name in names]
    assert rows == [[sum(expected)] if is_sum else expected] * (len(messages) - 1)
    stranger = messages[orders.index(list("xyzvwuts")[: len(names)])]
    with pytest.raises(MessageError, match="in the first message: name the joints in `"):
        check_message(JOINTS, stranger, reading)


def test_the_first_message_that_fits_says_which_joints_there_are():
    gripper = serialised(joints(0, ["finger"], [0.5]))
    arm = serialised(joints(1, ["b", "a"], [2.0, 1.0]))
    none = Reading(2, is_sum=False)
    assert with_joints(none, JOINTS, [gripper, b"", arm]).joints == ("b", "a")
    assert with_joints(none, JOINTS, [gripper, b""]) is none
    assert with_joints(none, POSE, [arm]) is none
    named = Reading(2, joints=("a", "b"), is_sum=False)
    assert with_joints(named, JOINTS, [arm]) is named


def test_an_imu_gives_turn_and_acceleration():
    def imu(k):
        turn, push = [k + 0.1, k + 0.2, k + 0.3], [k + 9.1, k + 9.2, k + 9.3]
        nothing = np.full(9, -1.0)
        quaternion = new("geometry_msgs/msg/Quaternion", 5.0, 6.0, 7.0, 8.0)
        body = (quaternion, nothing, vector(turn), nothing, vector(push), nothing)
        return new("sensor_msgs/msg/Imu", header(k, "imu" * (k % 3)), *body), [*turn, *push]

    made = [imu(k) for k in range(7)]
    stamps, values = decode_batch(IMU, [serialised(message) for message, _ in made])
    assert stamps.tolist() == list(range(7)) and values.tolist() == [row for _, row in made]
    check_type(SensorLayout((), False, {"wrist_imu": {}}), "wrist_imu", IMU)


def test_an_imu_that_is_written_is_read_by_rosbags():
    """As REP 145 wants it: what has no orientation says so by a covariance of -1."""
    values = np.random.default_rng(7).normal(size=(3, 6))
    made = list(encode_vectors(IMU, np.array([1, 2, 5 * 10**9]), values, "hand"))
    read = [typestore().deserialize_cdr(message, IMU) for message in made]
    for row, message in zip(values.tolist(), read, strict=True):
        turn, push = message.angular_velocity, message.linear_acceleration
        assert [turn.x, turn.y, turn.z, push.x, push.y, push.z] == row
        assert message.orientation_covariance[0] == -1 and message.header.frame_id == "hand"
    np.testing.assert_array_equal(decode_batch(IMU, made)[1], values)


@pytest.mark.parametrize(
    ("name", "code"), [("Float64ArrayStamped", "d"), ("Float32ArrayStamped", "f")]
)
def test_stamped_arrays_of_any_package(name, code):
    def message(k, values):
        body = struct.pack("<iII4sI", k, 0, 4, b"abc\0", len(values))
        body += b"\0" * (-len(body) % struct.calcsize(code))
        return b"\0\1\0\0" + body + struct.pack(f"<{len(values)}{code}", *values)

    type_name, reading = f"some_msgs/msg/{name}", Reading(3, is_sum=False)
    messages = [message(1, [0.25, 0.5, 1]), message(2, [1, 2]), message(3, [2, 4, 8])]
    stamps, values = decode_batch(type_name, messages, reading)
    assert stamps.tolist() == [10**9, 3 * 10**9]
    assert values.tolist() == [[0.25, 0.5, 1.0], [2.0, 4.0, 8.0]]
    with pytest.raises(MessageError, match="2 numbers, the layout has 3 columns"):
        check_message(type_name, messages[1], reading)
    check_type(SensorLayout((), False, {"tactile": {"width": 3}}), "tactile", type_name)


DECLARED = SensorLayout(
    (),
    False,
    {
        "left_wrench": {},
        "left_gripper": {},
        "joint_effort": {"width": 2, "columns": ["b", "a"]},
        "arm_joint_velocity": {"width": 2},
        "torque": {"width": 1},
        "pad": {"width": 4},
        "cell": {"width": 1, "preset": "tactile"},
    },
)


@pytest.mark.parametrize(
    ("modality", "takes", "refuses"),
    [
        ("left_wrench", [WRENCH], [POSE, JOINTS, "a/msg/Float64Stamped"]),
        ("left_gripper", [JOINTS, "a/msg/Float32Stamped"], [WRENCH, "a/msg/Float32ArrayStamped"]),
        ("joint_effort", [JOINTS], [WRENCH, "a/msg/Float64ArrayStamped"]),
        ("torque", [JOINTS, "a/msg/Float64Stamped", "a/msg/Float64ArrayStamped"], [WRENCH]),
        ("pad", [JOINTS, "a/msg/Float64ArrayStamped"], [WRENCH, "a/msg/Float64Stamped"]),
        ("cell", ["a/msg/Float32Stamped", "a/msg/Float32ArrayStamped", JOINTS], [WRENCH]),
    ],
)
def test_types_of_declared_signals(modality, takes, refuses):
    for type_name in takes:
        check_type(DECLARED, modality, type_name)
    for type_name in refuses:
        with pytest.raises(MessageError, match=f"'{modality}' needs .*, not {type_name}"):
            check_type(DECLARED, modality, type_name)


def test_readings_of_declared_signals():
    read = {name: reading_of(each, ["f1", "f2"]) for name, each in DECLARED.signals.items()}
    assert read["left_gripper"] == Reading(1, "position", ("f1", "f2"), is_sum=True)
    assert read["joint_effort"] == Reading(2, "effort", ("b", "a"), is_sum=False)
    assert read["arm_joint_velocity"] == Reading(2, "velocity", (), is_sum=False)
    assert read["pad"] == Reading(4, "position", (), is_sum=False)


def test_a_joint_that_is_there_twice_is_refused():
    """Which of the two numbers is meant, nobody says; a joint that is not asked for may be."""
    reading = Reading(joints=("finger",), is_sum=True)
    assert joint_columns(["arm", "arm", "finger"], reading) == (2,)
    with pytest.raises(MessageError, match="joint 'finger' is there 2 times"):
        joint_columns(["finger", "arm", "finger"], reading)
