# SPDX-License-Identifier: Apache-2.0
"""The table of docs/sensors.md, row by row over DDS: types that are installed everywhere.

Those of drivers' own packages: `test_driver_types`.
"""

from __future__ import annotations

import io
import struct
import sys
from array import array
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs import msg as geometry
from harness import spin_until
from nav_msgs.msg import Odometry
from PIL import Image as Picture
from published import STAMP, Listener, check_signal, check_video, publisher, stamped
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs import msg as std
from video_streams import video

from m2r2_ros.datasets.sensor_input import RobotFileError, SensorInput
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout

COUNT = 5
ROWS = np.random.default_rng(5).uniform(-1, 1, (COUNT, 13))


def vector(kind, row):
    return kind(**dict(zip("xyzw", map(float, row), strict=False)))


def pose(row):
    return geometry.Pose(
        position=vector(geometry.Point, row[:3]),
        orientation=vector(geometry.Quaternion, row[3:7]),
    )


def twist(row):
    linear, angular = (vector(geometry.Vector3, part) for part in (row[:3], row[3:6]))
    return geometry.Twist(linear=linear, angular=angular)


def wrench(row):
    force, torque = (vector(geometry.Vector3, part) for part in (row[:3], row[3:6]))
    return geometry.Wrench(force=force, torque=torque)


def transform(row):
    return geometry.Transform(
        translation=vector(geometry.Vector3, row[:3]),
        rotation=vector(geometry.Quaternion, row[3:7]),
    )


def joints(row):
    return JointState(name=["other", "drive_joint", "b"], position=list(map(float, row[:3])))


# Sensor, type, a message of a row of numbers, the numbers that are its row, entries of the file.
TAKEN = {
    "WrenchStamped": (
        "wrench",
        "geometry_msgs/msg/WrenchStamped",
        lambda r: geometry.WrenchStamped(wrench=wrench(r)),
        slice(0, 6),
        {},
    ),
    "Wrench": ("wrench", "geometry_msgs/msg/Wrench", wrench, slice(0, 6), {}),
    "PoseStamped": (
        "pose",
        "geometry_msgs/msg/PoseStamped",
        lambda r: geometry.PoseStamped(pose=pose(r)),
        slice(0, 7),
        {},
    ),
    "Pose": ("pose", "geometry_msgs/msg/Pose", pose, slice(0, 7), {}),
    "PoseWithCovarianceStamped": (
        "pose",
        "geometry_msgs/msg/PoseWithCovarianceStamped",
        lambda r: geometry.PoseWithCovarianceStamped(
            pose=geometry.PoseWithCovariance(pose=pose(r))
        ),
        slice(0, 7),
        {},
    ),
    "TransformStamped": (
        "pose",
        "geometry_msgs/msg/TransformStamped",
        lambda r: geometry.TransformStamped(transform=transform(r)),
        slice(0, 7),
        {},
    ),
    "Transform": ("pose", "geometry_msgs/msg/Transform", transform, slice(0, 7), {}),
    "Odometry, pose": (
        "pose",
        "nav_msgs/msg/Odometry",
        lambda r: Odometry(pose=geometry.PoseWithCovariance(pose=pose(r))),
        slice(0, 7),
        {},
    ),
    "Odometry, twist": (
        "twist",
        "nav_msgs/msg/Odometry",
        lambda r: Odometry(twist=geometry.TwistWithCovariance(twist=twist(r))),
        slice(0, 6),
        {},
    ),
    "TwistStamped": (
        "twist",
        "geometry_msgs/msg/TwistStamped",
        lambda r: geometry.TwistStamped(twist=twist(r)),
        slice(0, 6),
        {},
    ),
    "TwistWithCovarianceStamped": (
        "twist",
        "geometry_msgs/msg/TwistWithCovarianceStamped",
        lambda r: geometry.TwistWithCovarianceStamped(
            twist=geometry.TwistWithCovariance(twist=twist(r))
        ),
        slice(0, 6),
        {},
    ),
    "Twist": ("twist", "geometry_msgs/msg/Twist", twist, slice(0, 6), {}),
    "Float64": (
        "gripper",
        "std_msgs/msg/Float64",
        lambda r: std.Float64(data=float(r[0])),
        slice(0, 1),
        {},
    ),
    "Float32": (
        "gripper",
        "std_msgs/msg/Float32",
        lambda r: std.Float32(data=float(r[0])),
        slice(0, 1),
        {},
    ),
    "Float64MultiArray": (
        "pad",
        "std_msgs/msg/Float64MultiArray",
        lambda r: std.Float64MultiArray(data=list(map(float, r[:4]))),
        slice(0, 4),
        {},
    ),
    "Float32MultiArray": (
        "pad",
        "std_msgs/msg/Float32MultiArray",
        lambda r: std.Float32MultiArray(data=list(map(float, r[:4]))),
        slice(0, 4),
        {},
    ),
    "part of an array": (
        "pad",
        "std_msgs/msg/Float32MultiArray",
        lambda r: std.Float32MultiArray(data=list(map(float, r))),
        slice(2, 6),
        {"fields": ("data[2:6]",)},
    ),
    "named joints": (
        "pad",
        "sensor_msgs/msg/JointState",
        lambda r: JointState(name=list("abcdef"), position=list(map(float, r[:6]))),
        [5, 0, 1, 2],
        {"fields": tuple(f"position[{n}]" for n in "fabc")},
    ),
    "fingers of a Franka hand": (
        "fingers",
        "sensor_msgs/msg/JointState",
        lambda r: JointState(
            name=["fr3_finger_joint1", "fr3_finger_joint2"], position=list(map(float, r[:2]))
        ),
        [0, 1],
        {"fields": ("position[fr3_finger_joint1]", "position[fr3_finger_joint2]")},
    ),
    "JointState in metres": (
        "gripper",
        "sensor_msgs/msg/JointState",
        joints,
        slice(1, 2),
        {"fields": ("position[drive_joint]",), "unit": "m"},
    ),
}
LAYOUT = SensorLayout(
    (),
    False,
    {
        "wrench": {},
        "pose": {},
        "twist": {},
        "gripper": {},
        "fingers": {"preset": "gripper"},
        "pad": {"width": 4},
    },
)


def test_joints_that_change_their_places_stay_in_their_columns(node):
    """As a driver that lists what it has heard of since the last message does."""
    layout = SensorLayout((), False, {"joint_position": {"width": 3}})
    orders = [*(("abc", "cab", "bca", "cba") * COUNT)][:COUNT]
    messages = [
        JointState(name=list(order), position=[float(row["abc".index(name)]) for name in order])
        for order, row in zip(orders, ROWS, strict=True)
    ]
    said = SensorInput("/joints_in_turn")
    type_name = "sensor_msgs/msg/JointState"
    check_signal(node, layout, "joint_position", said, type_name, messages, ROWS[:, :3])


def test_joints_from_two_publishers(node):
    """The other one's messages are counted, and nothing else comes of them."""
    kind, said = (
        "sensor_msgs/msg/JointState",
        SensorInput("/joints", fields=("position[b]",), unit="m"),
    )
    senders = [publisher(node, kind, said.topic) for _ in range(2)]
    listener = Listener(node, "gripper", LAYOUT, said)
    try:
        listener.follow(senders[0])
        spin_until(node, lambda: senders[1].get_subscription_count(), "the second subscription")
        for k, row in enumerate(ROWS):
            senders[0].publish(stamped(joints(row), k))
            arm = JointState(name=["shoulder"], position=[1.0])
            senders[1].publish(stamped(arm, k))
        taken = listener.take(2 * COUNT)
        assert listener.source.malformed == COUNT
    finally:
        listener.close()
        for each in senders:
            node.destroy_publisher(each)
    stamps, values = taken.rows
    assert stamps.tolist() == [STAMP + k * 10_000_000 for k in range(COUNT)]
    np.testing.assert_array_equal(values, ROWS[:, 2:3])


@pytest.mark.parametrize("name", TAKEN)
def test_signals(node, request, name):
    sensor, type_name, make, columns, said = TAKEN[name]
    topic = f"/published_{list(TAKEN).index(name)}"
    messages = [make(row) for row in ROWS]
    rows = ROWS[:, columns]
    if sensor == "fingers":
        rows = rows.sum(axis=1, keepdims=True)
    check_signal(node, LAYOUT, sensor, SensorInput(topic, **said), type_name, messages, rows)


def test_a_gripper_in_radians(node):
    said = SensorInput(
        "/radians", fields=("position[drive_joint]",), scale=(-0.1,), offset=(0.085,)
    )
    kind, rows = "sensor_msgs/msg/JointState", 0.085 - 0.1 * ROWS[:, 1:2]
    check_signal(node, LAYOUT, "gripper", said, kind, [joints(row) for row in ROWS], rows)


def test_a_gripper_whose_unit_is_not_known_is_not_taken(node):
    sender = publisher(node, "sensor_msgs/msg/JointState", "/unknown")
    said = SensorInput("/unknown", fields=("position[drive_joint]",))
    listener = Listener(node, "gripper", LAYOUT, said)
    try:

        def refused():
            listener.source.input.follow()
            return "unit of drive_joint is not known" in listener.source.input.problem

        spin_until(node, refused, "the reason")
        assert not listener.source.input.type_name
    finally:
        listener.close()
        node.destroy_publisher(sender)


FAULTS = {
    "field": SensorInput("/w", "std_msgs/msg/Float64", ("dta",)),
    "type": SensorInput("/w", "std_msgs/msg/String"),
    "unit": SensorInput("/w", unit="rad"),
    "scale": SensorInput("/w", "std_msgs/msg/Float64", scale=(1.0, 2.0)),
    "joints of no unit": SensorInput("/w", "sensor_msgs/msg/JointState"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_robot_file_that_cannot_be_right_is_refused_before_anything_is_published(node, name):
    """Where the type is not stated, the sensor is masked once its type is known."""
    with pytest.raises(RobotFileError, match=r"signals\.gripper\.|not known"):
        Listener(node, "gripper", LAYOUT, FAULTS[name])


def check_camera(node, topic, type_name, message, expected, unit=""):
    sender = publisher(node, type_name, topic)
    layout = SensorLayout(("front",), False, ())
    listener = Listener(node, "front", layout, SensorInput(topic, unit=unit))
    try:
        listener.follow(sender)
        sender.publish(stamped(message, 0))
        taken = listener.take(1)
    except M2R2Error as error:
        return str(error)
    finally:
        listener.close()
        node.destroy_publisher(sender)
    ((_, picture),) = taken.images
    np.testing.assert_array_equal(picture, expected)
    return ""


COLOURS = np.random.default_rng(6).integers(0, 255, (4, 6, 3)).astype(np.uint8)
MILLIMETRES = np.random.default_rng(7).integers(0, 5000, (4, 6)).astype(np.uint16)
MILLIMETRES[0, 0] = 0
GREY = np.repeat(np.minimum(MILLIMETRES // 16, 255).astype(np.uint8)[..., None], 3, 2)


def raw(encoding, pixels):
    height, width = pixels.shape[:2]
    message = Image(height=height, width=width, encoding=encoding, step=pixels[0].nbytes)
    message.data = array("B", pixels.tobytes())
    return message


# Of a pixel red, green, blue and opacity: those that an encoding sends, in its order.
ENCODINGS = {
    "rgb8": [0, 1, 2],
    "bgr8": [2, 1, 0],
    "rgba8": [0, 1, 2, 3],
    "bgra8": [2, 1, 0, 3],
    "mono8": [0],
    "8UC1": [0],
    "8UC3": [2, 1, 0],
    "8UC4": [2, 1, 0, 3],
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_colours(node, encoding):
    sent = np.concatenate([COLOURS, np.full((4, 6, 1), 255, np.uint8)], axis=2)
    pixels = np.ascontiguousarray(sent[..., ENCODINGS[encoding]])
    expected = np.repeat(COLOURS[..., :1], 3, 2) if pixels.shape[2] == 1 else COLOURS
    message = raw(encoding, pixels)
    assert not check_camera(node, f"/as_{encoding}", "sensor_msgs/msg/Image", message, expected)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_compressed_colours(node, kind):
    """With the format that image_transport writes, which names the original encoding."""
    file = io.BytesIO()
    Picture.fromarray(COLOURS).save(file, kind.upper())
    expected = np.asarray(Picture.open(io.BytesIO(file.getvalue())).convert("RGB"))
    message = CompressedImage(format=f"bgr8; {kind} compressed bgr8")
    message.data = array("B", file.getvalue())
    what = "sensor_msgs/msg/CompressedImage"
    assert not check_camera(node, f"/as_{kind}", what, message, expected)


class Bridge:
    """As cv_bridge: the first channel of what was sent, as grey."""

    def imgmsg_to_cv2(self, image, encoding):
        assert encoding == "rgb8"
        rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
        return np.repeat(rows[:, : image.width, None], 3, 2)


@pytest.mark.parametrize("encoding", ["yuv422_yuy2", "bayer_rggb8", "mono16"])
@pytest.mark.parametrize("is_there", [True, False])
def test_encodings_that_need_cv_bridge(node, monkeypatch, encoding, is_there):
    module = SimpleNamespace(CvBridge=Bridge) if is_there else None
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    pixels = np.repeat(COLOURS[..., :1], 1 if encoding == "bayer_rggb8" else 2, 2)
    rows = pixels.reshape(4, -1)
    expected = np.repeat(rows[:, :6, None], 3, 2)
    topic, message = f"/through_{encoding}_{is_there}", raw(encoding, pixels)
    why = check_camera(node, topic, "sensor_msgs/msg/Image", message, expected)
    assert (why == "") if is_there else f"'{encoding}' needs the ROS package cv_bridge" in why


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_distances(node, encoding):
    metres = np.float32(MILLIMETRES) / np.float32(1000)
    # Halves of a millimetre more, so that no rounding decides.
    metres = np.where(MILLIMETRES, metres + np.float32(0.0005), np.float32("nan"))
    pixels = MILLIMETRES if encoding == "16UC1" else metres
    kind, message = "sensor_msgs/msg/Image", raw(encoding, pixels)
    assert not check_camera(node, f"/deep_{encoding}", kind, message, GREY, "m")
    why = check_camera(node, f"/no_unit_{encoding}", kind, message, GREY)
    assert f"{encoding} is no colour" in why and "signals.<camera>.unit: m" in why


def test_compressed_distances(node):
    file = io.BytesIO()
    Picture.fromarray(MILLIMETRES).save(file, "PNG")
    message = CompressedImage(format="16UC1; compressedDepth png")
    message.data = array("B", struct.pack("<iff", 0, 0, 0) + file.getvalue())
    kind = "sensor_msgs/msg/CompressedImage"
    assert not check_camera(node, "/deep_png", kind, message, GREY, "m")


def test_distances_whose_inverses_are_stored(node):
    """As compressed_depth_image_transport stores 32FC1: a / distance + b."""
    near, far = 100.0, 1.5
    metres = np.where(MILLIMETRES, MILLIMETRES / 1000, np.nan)
    stored = np.nan_to_num(near / metres + far, nan=0.0).round().clip(0, 65535).astype(np.uint16)
    file = io.BytesIO()
    Picture.fromarray(stored).save(file, "PNG")
    message = CompressedImage(format="32FC1; compressedDepth png")
    message.data = array("B", struct.pack("<iff", 0, near, far) + file.getvalue())
    back = np.where(stored > 0, near / (stored.astype(np.float64) - far) * 1000, 0)
    grey = np.minimum(back // 16, 255).astype(np.uint8)
    expected = np.repeat(grey[..., None], 3, 2)
    kind = "sensor_msgs/msg/CompressedImage"
    assert not check_camera(node, "/inverse_png", kind, message, expected, "m")


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_video_in_compressed_images(node, codec):
    moving = video(codec, count=15, gop=6)
    messages = [CompressedImage(format=codec, data=array("B", data)) for data in moving.packets]
    said = SensorInput(f"/video_as_{codec}")
    check_video(node, said, "sensor_msgs/msg/CompressedImage", moving, messages, lost=(2, 3, 8))


def test_a_node_that_starts_anew_waits_for_a_key_frame(node):
    """What came while it was inactive is not there, and nobody says how much."""
    moving = video("h264", count=12, gop=6)
    messages = [CompressedImage(format="h264", data=array("B", d)) for d in moving.packets]
    sender = publisher(node, "sensor_msgs/msg/CompressedImage", "/anew")
    layout = SensorLayout(("front",), False, ())
    listener = Listener(node, "front", layout, SensorInput("/anew"))
    try:
        for begin, end in ((0, 3), (3, 12)):
            listener.follow(sender)
            for k in range(begin, end):
                sender.publish(stamped(messages[k], k, moving.stamp))
            listener.take(end)
            listener.source.close()
            spin_until(node, lambda: not sender.get_subscription_count(), "the end")
    finally:
        listener.close()
        node.destroy_publisher(sender)
    stamps = [at for at, _ in listener.taken.images]
    assert stamps == [moving.stamp(k) for k in (0, 1, 2, *range(6, 12))]
    assert set(listener.taken.reasons) == {"video waits for its first key frame"}
