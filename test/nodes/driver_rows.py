# SPDX-License-Identifier: Apache-2.0
"""Rows of the table in docs/sensors.md, for `test_driver_types`: it runs them in a workspace."""

from __future__ import annotations

import importlib
import time

import numpy as np
import pytest
from drivers import AUDIO_BYTES, DYNAMIC, FILES, PACKET, VIDEO, XARM, store_of
from mp3_streams import stream
from published import STAMP, Listener, check_signal, check_video, publisher, stamped
from raw_bags import read, topic_map, write
from rclpy.serialization import serialize_message
from video_streams import video

from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.messages.common_audio import (
    AUDIO_DATA,
    AUDIO_DATA_STAMPED,
    AUDIO_INFO,
    AUDIO_STAMPED,
)
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


SOUND = SensorLayout((), True, ())


def sound(node, said, type_name, messages, beside=None, info="/mic/audio_info", at=None):
    """What is taken of a microphone, whose AudioInfo was published before anyone listened."""
    sender = publisher(node, type_name, said.topic)
    senders = [sender]
    if beside is not None:
        senders.append(publisher(node, AUDIO_INFO, info, is_kept=True))
        senders[-1].publish(beside)
    listener = Listener(node, "audio", SOUND, said)
    try:
        listener.follow(sender)
        if beside is not None:
            listener.follow(senders[-1])
            listener.await_info()
        for k, message in enumerate(messages):
            sender.publish(stamped(message, k, at))
        return listener.take(len(messages)), listener.source.stamps
    finally:
        listener.close()
        for each in senders:
            node.destroy_publisher(each)


def recorded_sound(folder, said, type_name, messages, beside, info="/mic/audio_info"):
    """The same messages from a bag."""
    streams = {said.topic: (type_name, list(map(serialize_message, messages)))}
    streams[info] = AUDIO_INFO, [serialize_message(beside)]
    path = write(folder / "bag", streams, store_of(AUDIO_BYTES))
    return read(path, SOUND, topic_map(audio=said)).audio


def check_alike(live, offline):
    assert [(at, rate) for at, _, rate in live] == [(at, rate) for at, _, rate in offline]
    for (_, here, _), (_, there, _) in zip(live, offline, strict=True):
        assert here.tobytes() == there.tobytes()


WAVE = np.random.default_rng(4).integers(-30_000, 30_000, (COUNT, 320)).astype(np.int16)


def check_sound(taken, rate_hz):
    assert taken.reasons == []
    stamps = [STAMP + k * 10_000_000 for k in range(COUNT)]
    assert [(stamp, rate) for stamp, _, rate in taken.audio] == [(t, rate_hz) for t in stamps]
    for (_, samples, _), row in zip(taken.audio, WAVE, strict=True):
        np.testing.assert_array_equal(samples[:, 0], np.float32(row / 2**15))


def said_of(coding):
    given = {"channels": 1, "sample_rate": 16_000, "sample_format": "S16LE"}
    return kind(AUDIO_INFO)(coding_format=coding, **given)


def stamped_bytes(rows):
    data = kind(AUDIO_DATA)
    return [kind(AUDIO_DATA_STAMPED)(audio=data(data=row)) for row in rows]


MIC = SensorInput("/mic/audio_stamped")


def test_sound_of_the_package_in_apt_bytes(node, tmp_path):
    messages = stamped_bytes(row.tobytes() for row in WAVE)
    taken, _ = sound(node, MIC, AUDIO_DATA_STAMPED, messages, said_of("wave"))
    check_sound(taken, 16_000)
    offline = recorded_sound(tmp_path, MIC, AUDIO_DATA_STAMPED, messages, said_of("wave"))
    check_alike(taken.audio, offline)


@pytest.mark.parametrize("where", ["", "/elsewhere"])
def test_mp3_of_the_package_in_apt_bytes(node, tmp_path, where):
    """Its default; the robot file may name the topic of its AudioInfo."""
    said = SensorInput("/mic/audio_stamped", info=where)
    chirp, info = stream(16_000), where or "/mic/audio_info"
    messages, beside = stamped_bytes(chirp.frames), said_of("mp3")
    taken, whose = sound(
        node, said, AUDIO_DATA_STAMPED, messages, beside, info, at=lambda k: chirp.stamp(k)
    )
    assert taken.reasons == [] and whose == "header"
    decoded = np.concatenate([samples[:, 0] for _, samples, _ in taken.audio])
    assert taken.audio[0][0] == chirp.stamp(0)
    wrong = decoded[:15_000] - chirp.sound[:15_000, 0]
    assert np.square(wrong).mean() < 0.02 * np.square(chirp.sound).mean()
    offline = recorded_sound(tmp_path, said, AUDIO_DATA_STAMPED, messages, beside, info)
    check_alike(taken.audio, offline)


@pytest.mark.parametrize("coding", ["wave", "mp3"])
def test_sound_without_stamps_bytes(node, coding):
    """`/audio/audio`, by time of arrival: the last sample has just been heard."""
    chirp = stream(16_000)
    rows = chirp.frames if coding == "mp3" else [row.tobytes() for row in WAVE]
    messages = [kind(AUDIO_DATA)(data=row) for row in rows]
    before = time.time_ns()
    taken, whose = sound(node, SensorInput("/mic/audio"), AUDIO_DATA, messages, said_of(coding))
    after = time.time_ns()
    assert taken.reasons == [] and whose == "arrival"
    ends = [at + len(samples) * 10**9 // rate for at, samples, rate in taken.audio]
    assert before - 10**9 < ends[0] and ends[-1] <= after
    if coding == "wave":
        assert before <= ends[0] and (np.diff(ends) >= 0).all()
        sent = np.concatenate([samples[:, 0] for _, samples, _ in taken.audio])
        np.testing.assert_array_equal(sent, np.float32(WAVE.ravel() / 2**15))


@pytest.mark.parametrize("coding", ["flac", ""])
def test_sound_that_cannot_be_read_says_why_bytes(node, coding):
    beside = said_of(coding) if coding else None
    messages = stamped_bytes(row.tobytes() for row in WAVE)
    taken, _ = sound(node, MIC, AUDIO_DATA_STAMPED, messages, beside)
    why = "sound as 'flac' of 'S16LE': start its driver" if coding else "AudioInfo has come"
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
    check_sound(sound(node, MIC, AUDIO_STAMPED, messages)[0], 48_000)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("type_name", [PACKET, VIDEO])
def test_video_of_packets_bytes(node, tmp_path, type_name, codec):
    """Over DDS and from a bag the same pictures, to the last bit."""
    eye, moving = SensorInput("/eye/video"), video(codec, count=15, gop=6)
    form = {"encoding": f"{codec};yuv420p;bgr8;bgr8"} if type_name == PACKET else {"format": codec}
    messages = [kind(type_name)(data=data, **form) for data in moving.packets]
    live = check_video(node, eye, type_name, moving, messages, lost=(2,))
    raw = [serialize_message(each) for k, each in enumerate(messages) if k != 2]
    path = write(tmp_path / "bag", {eye.topic: (type_name, raw)}, store_of(FILES))
    offline = read(path, SensorLayout(("front",), False, ()), topic_map(front=eye)).images
    assert [at for at, _ in live] == [at for _, at, _ in offline]
    for (_, here), (_, _, there) in zip(live, offline, strict=True):
        assert here.tobytes() == there.tobytes()
