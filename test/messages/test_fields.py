# SPDX-License-Identifier: Apache-2.0
"""Numbers found by field paths, against the values that rosbags serialised."""

import random

import numpy as np
import pytest
from random_messages import TOP, Kinds, Messages
from ros_messages import STORE, header, new, serialised

from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.definitions import stored_definitions
from m2r2_ros.messages.field_check import count_numbers, is_stamped
from m2r2_ros.messages.field_path import parse_path
from m2r2_ros.messages.reading import Reading
from m2r2_ros.messages.signals import decode_batch, why_unreadable

KNOWN = stored_definitions({})


def reading(*fields, width=0, **more):
    definitions = more.pop("definitions", KNOWN)
    paths = tuple(map(parse_path, fields))
    return Reading(width, is_sum=False, paths=paths, definitions=definitions, **more)


@pytest.mark.parametrize("seed", range(60))
def test_any_numbers_of_any_type(seed):
    """Some messages are laid out alike, some in another way; either byte order."""
    kinds, chance = Kinds(seed), random.Random(seed)
    store = kinds.store()
    maker, made = Messages(kinds, store), []
    for k in range(8):
        message, numbers = maker.make(random.Random(seed + k // 5), 10**9 + k)
        data = bytes(store.serialize_cdr(message, TOP, little_endian=k % 3 != 2))
        made.append((data, numbers, 10**9 + k))
    definitions = stored_definitions({TOP: kinds.text})
    assert is_stamped(TOP, definitions) == kinds.is_stamped
    there = sorted(path for path, values in made[0][1].items() if values)
    if not there:
        pytest.skip("a type without numbers")
    for _ in range(10):
        fields = chance.sample(there, min(len(there), chance.randint(1, 4)))
        width = sum(len(made[0][1][path]) for path in fields)
        wanted = reading(*fields, width=width, definitions=definitions)
        assert count_numbers(TOP, wanted.paths, definitions) in (None, width)
        arrivals = [7 * k for k in range(len(made))]
        stamps, values = decode_batch(TOP, [data for data, _, _ in made], wanted, arrivals)
        expected = []
        for k, (_, numbers, stamp) in enumerate(made):
            rows = [numbers.get(path) for path in fields]
            if None not in rows and sum(map(len, rows)) == width:
                row = [value for part in rows for value in part]
                expected.append((stamp if kinds.is_stamped else 7 * k, row))
        assert list(zip(stamps.tolist(), values.tolist(), strict=True)) == expected


def odometry(stamp_ns, row):
    point = new("geometry_msgs/msg/Point", *row[:3])
    pose = new("geometry_msgs/msg/Pose", point, new("geometry_msgs/msg/Quaternion", *row[3:7]))
    vectors = (new("geometry_msgs/msg/Vector3", *row[k : k + 3]) for k in (7, 10))
    twist = new("geometry_msgs/msg/Twist", *vectors)
    nothing = np.zeros(36)
    return new(
        "nav_msgs/msg/Odometry",
        header(stamp_ns),
        "base",
        new("geometry_msgs/msg/PoseWithCovariance", pose, nothing),
        new("geometry_msgs/msg/TwistWithCovariance", twist, nothing),
    )


def test_scale_and_offset_are_for_all_numbers_or_one_each():
    rows = np.random.default_rng(0).normal(size=(20, 13))
    messages = [serialised(odometry(k, row)) for k, row in enumerate(rows)]
    kind = "nav_msgs/msg/Odometry"
    one = reading("twist.twist.linear", width=3, scale=(0.001,), offset=(2.0,))
    np.testing.assert_array_equal(decode_batch(kind, messages, one)[1], rows[:, 7:10] * 0.001 + 2.0)
    each = reading("pose.pose.position", width=3, scale=(1.0, -2.0, 3.0))
    expected = rows[:, :3] * np.array([1.0, -2.0, 3.0])
    np.testing.assert_array_equal(decode_batch(kind, messages, each)[1], expected)
    few = reading("pose.pose.position", width=3, scale=(1.0, 2.0))
    assert len(decode_batch(kind, messages, few)[0]) == 0
    why = why_unreadable(kind, messages[0], few)
    assert why == "scale has 2 numbers: it needs 1 or 3"


def test_numbers_of_a_gripper_are_scaled_and_added_up():
    state = STORE.types["sensor_msgs/msg/JointState"]
    both = np.array([0.25, -0.5]), np.zeros(0), np.zeros(0)
    message = serialised(state(header(5), ["l", "r"], *both))
    paths = tuple(map(parse_path, ("position[l]", "position[r]")))
    read = Reading(
        1, is_sum=True, paths=paths, scale=(1.0, -1.0), offset=(0.01,), definitions=KNOWN
    )
    stamps, values = decode_batch("sensor_msgs/msg/JointState", [message], read)
    assert (stamps.tolist(), values.tolist()) == ([5], [[0.25 + 0.5 + 0.01]])


def rotation(roll, pitch, yaw):
    """About the fixed axes x, y, z, as a matrix."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (roll, pitch, yaw))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def matrix(x, y, z, w):
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


ARRAY = "std_msgs/msg/Float64MultiArray"


def array(row):
    return serialised(new(ARRAY, new("std_msgs/msg/MultiArrayLayout", [], 0), np.array(row)))


def test_roll_pitch_yaw_are_the_same_rotation_however_many_come_at_once():
    rows = np.random.default_rng(1).uniform(-7, 7, (300, 6))
    messages = [array(row) for row in rows]
    wanted = reading("data[0:3]", "rpy(data[3:6])", width=7, scale=(0.001,) * 3 + (1.0,) * 4)
    arrivals = list(range(len(rows)))
    stamps, values = decode_batch(ARRAY, messages, wanted, arrivals)
    assert stamps.tolist() == arrivals
    np.testing.assert_array_equal(values[:, :3], rows[:, :3] * 0.001)
    for row, quaternion in zip(rows, values[:, 3:], strict=True):
        np.testing.assert_allclose(matrix(*quaternion), rotation(*row[3:]), atol=1e-12)
    for start in range(0, len(rows), 37):
        part = slice(start, start + 37)
        again = decode_batch(ARRAY, messages[part], wanted, arrivals[part])[1]
        assert again.tobytes() == values[part].tobytes()
    for k in range(0, len(rows), 50):
        alone = decode_batch(ARRAY, messages[k : k + 1], wanted, [k])[1]
        assert alone.tobytes() == values[k : k + 1].tobytes()


WRONG = {
    "wrench.forse": "has no field 'forse' (did you mean 'force'?)",
    "header": "a string is no number",
    "header.frame_id": "a string is no number",
    "wrench.force.x.y": "a float64 is no message",
    "wrench[0]": "wrench is no list: write it without brackets",
    "rpy(wrench)": "roll, pitch and yaw are 3 numbers, not 6",
}


@pytest.mark.parametrize(("path", "text"), WRONG.items(), ids=WRONG)
def test_a_path_that_leads_nowhere_is_named(path, text):
    with pytest.raises(M2R2Error) as caught:
        count_numbers("geometry_msgs/msg/WrenchStamped", [parse_path(path)], KNOWN)
    assert f"'{path}'" in str(caught.value) and text in str(caught.value)


def test_a_name_is_looked_up_in_what_stands_before():
    with pytest.raises(MessageError, match=r"nothing names the entries of data"):
        count_numbers(ARRAY, [parse_path("data[elbow]")], KNOWN)
    wanted = reading("position[elbwo]", width=1)
    state = new("sensor_msgs/msg/JointState", header(1), ["elbow"], *[np.ones(1)] * 3)
    why = why_unreadable("sensor_msgs/msg/JointState", serialised(state), wanted)
    assert why == "position has no 'elbwo' (did you mean 'elbow'?)"


def test_a_definition_that_goes_in_circles_or_is_none():
    loop = stored_definitions({"a/msg/A": "A[] a", "a/msg/B": "what is this\n==", "a/msg/C": "A a"})
    for kind in ("a/msg/A", "a/msg/B", "a/msg/D", "a/msg/C"):
        with pytest.raises(MessageError):
            count_numbers(kind, [parse_path("a.a.a")], loop)
            count_numbers(kind, [parse_path("a")], loop)


@pytest.mark.parametrize("seed", range(20))
def test_damaged_messages_are_left_out_or_read(seed):
    chance = random.Random(seed)
    kinds = Kinds(seed)
    store = kinds.store()
    message, numbers = Messages(kinds, store).make(random.Random(seed), 5)
    data = bytes(store.serialize_cdr(message, TOP))
    there = sorted(path for path, values in numbers.items() if values)
    if not there:
        pytest.skip("a type without numbers")
    path = chance.choice(there)
    definitions = stored_definitions({TOP: kinds.text})
    wanted = reading(path, width=len(numbers[path]), definitions=definitions)
    for _ in range(200):
        broken = bytearray(data[: chance.randrange(len(data) + 1)])
        if broken and chance.random() < 0.7:
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        stamps, values = decode_batch(TOP, [bytes(broken), data], wanted, [1, 2])
        assert len(stamps) == len(values) in (1, 2)
        assert values[-1].tolist() == numbers[path]
