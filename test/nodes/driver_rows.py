# SPDX-License-Identifier: Apache-2.0
"""Rows of the table in docs/sensors.md, for `test_driver_types`: it runs them in a workspace."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from drivers import DYNAMIC, FILES, XARM
from published import STAMP, Listener, check_signal, publisher, stamped

from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.messages.common_audio import AUDIO_DATA, AUDIO_INFO, AUDIO_STAMPED
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped

COUNT = 5
LAYOUT = SensorLayout((), False, {"pose": {}, "gripper": {}, "joint_position": {"width": 2}})
ROWS = np.random.default_rng(3).uniform(-1, 1, (COUNT, 6)).astype(np.float32)
# A bag writes what a type needs behind it.
TEXTS = FILES | {
    DYNAMIC: f"{FILES[DYNAMIC]}\n{'=' * 80}\nMSG: control_msgs/InterfaceValue\n"
    f"{FILES['control_msgs/msg/InterfaceValue']}"
}


def kind(type_name):
    package, _, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def dynamic(row):
    interface = kind("control_msgs/msg/InterfaceValue")
    values = [
        interface(interface_names=["position"], values=[float(row[0])]),
        interface(interface_names=["effort", "position"], values=[9.0, float(row[1])]),
    ]
    return kind(DYNAMIC)(joint_names=["elbow", "finger"], interface_values=values)


def test_dynamic_joint_state_of_a_gripper_bytes(node):
    said = SensorInput("/dynamic", fields=("interface_values[finger].values[position]",), unit="m")
    messages = [dynamic(row) for row in ROWS]
    check_signal(node, LAYOUT, "gripper", said, DYNAMIC, messages, ROWS[:, 1:2], TEXTS)


def test_dynamic_joint_state_of_joints_that_the_layout_names_bytes(node):
    layout = SensorLayout(
        (), False, {"joint_position": {"width": 2, "columns": ["finger", "elbow"]}}
    )
    messages = [dynamic(row) for row in ROWS]
    said = SensorInput("/dynamic_joints")
    check_signal(node, layout, "joint_position", said, DYNAMIC, messages, ROWS[:, 1::-1], TEXTS)


def test_pose_of_an_xarm_in_millimetres_and_angles_bytes(node):
    """As config/xarm.yaml reads it."""
    said = Deployment.load(shipped("config/xarm.yaml")).topics.input("pose")
    poses = np.concatenate([ROWS[:, :3] * 100, np.zeros((COUNT, 2)), ROWS[:, 5:]], axis=1)
    poses = poses.astype(np.float32)
    half = poses[:, 5].astype(np.float64) / 2
    nothing = np.zeros(COUNT)
    turned = np.stack([nothing, nothing, np.sin(half), np.cos(half)], axis=1)
    rows = np.concatenate([poses[:, :3] * 0.001, turned], axis=1)
    messages = [kind(XARM)(pose=row) for row in poses]
    check_signal(node, LAYOUT, "pose", said, XARM, messages, rows, TEXTS)


def sound(node, type_name, messages, beside=None):
    """What is taken of a microphone, whose AudioInfo was published before anyone listened."""
    sender = publisher(node, type_name, "/mic/audio_stamped")
    senders = [sender]
    if beside is not None:
        senders.append(publisher(node, AUDIO_INFO, "/mic/audio_info", is_kept=True))
        senders[-1].publish(beside)
    listener = Listener(
        node, "audio", SensorLayout((), True, ()), SensorInput("/mic/audio_stamped")
    )
    try:
        listener.follow(sender)
        if beside is not None:
            listener.follow(senders[-1])
            listener.await_info()
        for k, message in enumerate(messages):
            sender.publish(stamped(message, k))
        return listener.take(len(messages))
    finally:
        listener.close()
        for each in senders:
            node.destroy_publisher(each)


WAVE = np.random.default_rng(4).integers(-30_000, 30_000, (COUNT, 320)).astype(np.int16)


def check_sound(taken, rate_hz):
    assert taken.reasons == []
    stamps = [STAMP + k * 10_000_000 for k in range(COUNT)]
    assert [(stamp, rate) for stamp, _, rate in taken.audio] == [(t, rate_hz) for t in stamps]
    for (_, samples, _), row in zip(taken.audio, WAVE, strict=True):
        np.testing.assert_array_equal(samples[:, 0], np.float32(row / 2**15))


def byte_messages():
    data = kind("audio_common_msgs/msg/AudioData")
    return [kind(AUDIO_DATA)(audio=data(data=row.tobytes())) for row in WAVE]


def test_sound_of_the_package_in_apt_bytes(node):
    beside = kind(AUDIO_INFO)(
        channels=1, sample_rate=16_000, sample_format="S16LE", coding_format="wave"
    )
    check_sound(sound(node, AUDIO_DATA, byte_messages(), beside), 16_000)


@pytest.mark.parametrize("coding", ["mp3", ""])
def test_sound_that_cannot_be_read_says_why_bytes(node, coding):
    beside = (
        kind(AUDIO_INFO)(channels=1, sample_rate=16_000, sample_format="S16LE") if coding else None
    )
    if beside is not None:
        beside.coding_format = coding
    taken = sound(node, AUDIO_DATA, byte_messages(), beside)
    why = "sound as 'mp3' of 'S16LE': start its driver" if coding else "AudioInfo has come"
    assert taken.audio == [] and all(why in reason for reason in taken.reasons)


def test_sound_of_the_other_package_arrays(node):
    data, info = kind("audio_common_msgs/msg/AudioData"), kind(AUDIO_INFO)
    messages = [
        kind(AUDIO_STAMPED)(
            audio=kind("audio_common_msgs/msg/Audio")(
                audio_data=data(int16_data=row.tolist()), info=info(channels=1, rate=48_000)
            )
        )
        for row in WAVE
    ]
    check_sound(sound(node, AUDIO_STAMPED, messages), 48_000)
