# SPDX-License-Identifier: Apache-2.0
"""The shipped robot files, against what the drivers publish."""

from __future__ import annotations

import numpy as np
import pytest
from drivers import DEFINITIONS, XARM, driver_message
from ros_messages import joints, pose, serialised, twist, wrench

from m2r2_ros.datasets.input_types import check_input, signal_reading
from m2r2_ros.messages.images import COMPRESSED_IMAGE, IMAGE
from m2r2_ros.messages.signals import decode_batch
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.shipped import shipped
from m2r2_ros.signal_presets import JOINTS, POSE, TWIST, WRENCH

SIX, SEVEN = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.1, 0.2, 0.3, 0.5, -0.5, 0.5, -0.5]
IN_MM = [100.0, 200.0, 300.0, np.pi, 0.0, 0.0]


def fingers(*names):
    return serialised(joints(1, ["arm_joint", *names], [9.0, *[0.01] * len(names)]))


def knuckle(name, angle):
    return serialised(joints(1, ["shoulder", name], [9.0, angle]))


def pad(row):
    return driver_message("std_msgs/msg/Float32MultiArray", data=np.float32(row))


# What the drivers publish (see docs/sensors.md): sensor -> topic, type, a message, its row.
WRENCHED = (WRENCH, serialised(wrench(1, SIX)), SIX)
POSED = (POSE, serialised(pose(1, SEVEN)), SEVEN)
TURNED = (TWIST, serialised(twist(1, SIX)), SIX)
FACTS = {
    "franka_ros2": {
        "wrench": ("/force_torque_sensor_broadcaster/wrench", *WRENCHED),
        "pose": ("/franka_robot_state_broadcaster/current_pose", *POSED),
        "twist": ("/franka_robot_state_broadcaster/desired_end_effector_twist", *TURNED),
        "gripper": (
            "/franka_gripper/joint_states",
            JOINTS,
            fingers("fr3_finger_joint1", "fr3_finger_joint2"),
            [0.02],
        ),
    },
    "ur_ros2_control": {
        "wrench": ("/force_torque_sensor_broadcaster/wrench", *WRENCHED),
        "pose": ("/tcp_pose_broadcaster/pose", *POSED),
        "gripper": (
            "/joint_states",
            JOINTS,
            knuckle("robotiq_85_left_knuckle_joint", 0.793),
            [0.0],
        ),
    },
    "kinova_kortex": {
        "gripper": (
            "/joint_states",
            JOINTS,
            knuckle("robotiq_85_left_knuckle_joint", 0.0),
            [0.085],
        ),
    },
    "xarm": {
        "wrench": ("/xarm/uf_ftsensor_ext_states", *WRENCHED),
        "pose": (
            "/xarm/robot_states",
            XARM,
            driver_message(XARM, pose=np.float32(IN_MM)),
            # Half a turn about x.
            [0.1, 0.2, 0.3, 1.0, 0.0, 0.0, 0.0],
        ),
        "gripper": ("/xarm/joint_states", JOINTS, knuckle("drive_joint", 0.85), [0.0]),
    },
    "two_arms": {
        "left_pose": ("/left/franka_robot_state_broadcaster/current_pose", *POSED),
        "right_twist": (
            "/right/franka_robot_state_broadcaster/desired_end_effector_twist",
            *TURNED,
        ),
        "left_gripper": (
            "/left/franka_gripper/joint_states",
            JOINTS,
            fingers("fr3_finger_joint1", "fr3_finger_joint2"),
            [0.02],
        ),
        "right_gripper": (
            "/right/franka_gripper/joint_states",
            JOINTS,
            fingers("fr3_finger_joint2", "fr3_finger_joint1"),
            [0.02],
        ),
        "left_joint_effort": (
            "/left/joint_states",
            JOINTS,
            serialised(joints(1, [f"fr3_joint{k}" for k in range(1, 8)], *[range(7)] * 3)),
            [0.0, 1.0, 2.0],
        ),
        "left_pad": (
            "/left/pad",
            "std_msgs/msg/Float32MultiArray",
            pad(range(16)),
            list(range(16)),
        ),
    },
}
FILES = sorted(
    path.stem for path in shipped("config").glob("*.yaml") if "ros__" in path.read_text()
)


def layout_of(robot):
    own = shipped("config") / "layouts" / f"{robot}.yaml"
    return load_layout(own) if own.exists() else SensorLayout(("hama1", "hama2", "hand"))


def test_every_file_of_a_robot_has_its_facts():
    assert {*FACTS} == {*FILES} - {"reassemble", "named_actions", "analyzers"}


@pytest.mark.parametrize(
    ("robot", "sensor"), [(r, s) for r, sensors in FACTS.items() for s in sensors]
)
def test_what_the_driver_publishes_is_what_is_read(robot, sensor):
    topics = Deployment.load(shipped(f"config/{robot}.yaml")).topics
    layout = layout_of(robot)
    topic, type_name, message, row = FACTS[robot][sensor]
    assert topics.input(sensor).topic == topic
    check_input(topics, DEFINITIONS, layout, sensor, type_name)
    reading = signal_reading(topics, layout.signals[sensor], DEFINITIONS)
    stamps, values = decode_batch(type_name, [message], reading, [1])
    np.testing.assert_allclose(values, [row], atol=2e-4)
    assert stamps.tolist() == [1]


# What the drivers' sources make of a gripper that is open, and of one that is closed.
ANGLES = {
    "ur_ros2_control": ("robotiq_85_left_knuckle_joint", 0.7929, 0.085),
    "kinova_kortex": ("robotiq_85_left_knuckle_joint", 0.81, 0.085),
    "xarm": ("drive_joint", 0.85, 0.084),
}


@pytest.mark.parametrize("robot", ANGLES)
def test_a_gripper_in_radians_is_open_and_closed_where_its_driver_says(robot):
    joint, closed, width = ANGLES[robot]
    topics = Deployment.load(shipped(f"config/{robot}.yaml")).topics
    reading = signal_reading(topics, layout_of(robot).signals["gripper"], DEFINITIONS)
    messages = [knuckle(joint, angle) for angle in (0.0, closed)]
    _, values = decode_batch(JOINTS, messages, reading, [1, 1])
    np.testing.assert_allclose(values[:, 0], [width, 0.0], atol=3e-5)


@pytest.mark.parametrize("robot", FACTS)
def test_every_sensor_of_the_encoder_has_a_topic_or_is_said_to_be_absent(robot):
    deployment = Deployment.load(shipped(f"config/{robot}.yaml"))
    topics, layout = deployment.topics, layout_of(robot)
    assert deployment.notes == ()
    served = topics.served(layout.modalities)
    assert served.keys() >= FACTS[robot].keys()
    assert len(served) + len(topics.absent(layout.modalities)) == len(layout.modalities)
    assert topics.topics.keys() <= set(layout.modalities)
    for camera in layout.cameras:
        for type_name in (IMAGE, COMPRESSED_IMAGE):
            check_input(topics, DEFINITIONS, layout, camera, type_name)


def test_the_pose_of_a_kinova_is_in_tf():
    said = Deployment.load(shipped("config/kinova_kortex.yaml")).topics.input("pose")
    assert (said.topic, said.frame, said.child_frame) == ("/tf", "base_link", "end_effector_link")
