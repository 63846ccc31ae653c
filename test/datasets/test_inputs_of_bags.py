# SPDX-License-Identifier: Apache-2.0
"""A bag is read as the robot file says: its own definitions, arrivals for stamps, frames, sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from drivers import (
    AUDIO_ARRAYS,
    AUDIO_BYTES,
    DYNAMIC,
    FILES,
    INTERFACE,
    XARM,
    driver_message,
    made,
    store_of,
)
from raw_bags import SECOND, read, stamp, topic_map, write
from ros_messages import joints, serialised, wrench
from rosbags.rosbag2 import StoragePlugin

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.sensor_input import RobotFileError, SensorInput
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.signal_presets import JOINTS, WRENCH

COUNT = 20
FLOAT = "std_msgs/msg/Float64"


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_types_of_drivers_are_read_by_the_definition_in_the_bag(tmp_path, storage):
    store = store_of(FILES)
    poses = np.random.default_rng(0).normal(size=(COUNT, 6)).astype(np.float32)
    arms = [driver_message(XARM, stamp(k), pose=row) for k, row in enumerate(poses)]
    values = np.random.default_rng(1).uniform(0, 0.04, (COUNT, 2))
    states = [
        driver_message(
            DYNAMIC,
            stamp(k),
            joint_names=["elbow", "finger"],
            interface_values=[
                made(INTERFACE, interface_names=["position"], values=np.array([7.0])),
                made(INTERFACE, interface_names=["effort", "position"], values=row),
            ],
        )
        for k, row in enumerate(values)
    ]
    path = write(
        tmp_path / "bag", {"/arm": (XARM, arms), "/hand": (DYNAMIC, states)}, store, storage
    )
    topics = topic_map(
        tip=SensorInput("/arm", XARM, ("pose[0:3]",), (0.001,)),
        gripper=SensorInput("/hand", "", ("interface_values[finger].values[position]",), unit="m"),
    )
    layout = SensorLayout((), False, {"tip": {"width": 3, "unit": "m"}, "gripper": {}})
    found = read(path, layout, topics)
    np.testing.assert_array_equal(found.signals["tip"][1], poses[:, :3].astype(np.float64) * 0.001)
    np.testing.assert_array_equal(found.signals["gripper"][1], values[:, 1:])
    assert found.signals["tip"][0].tolist() == [stamp(k) for k in range(COUNT)]
    assert found.problems == []


@pytest.mark.parametrize("late_s", [0, 40])
def test_without_stamps_the_time_of_recording_stands_for_them(tmp_path, late_s):
    """Where stamps are of another clock than log times, so are they then."""
    late_ns = late_s * SECOND
    store = store_of(FILES)
    widths = np.linspace(0.0, 0.08, COUNT)
    numbers = [driver_message(FLOAT, data=float(width)) for width in widths]
    wrenches = [serialised(wrench(stamp(k), [k] * 6)) for k in range(COUNT)]
    path = write(
        tmp_path / "bag",
        {"/width": (FLOAT, numbers), "/wrench": (WRENCH, wrenches)},
        store,
        late_ns=late_ns,
    )
    topics = topic_map(gripper=SensorInput("/width"), wrench=SensorInput("/wrench", frame="tool0"))
    found = read(path, SensorLayout((), False, ("gripper", "wrench")), topics)
    assert found.signals["gripper"][0].tolist() == [stamp(k) for k in range(COUNT)]
    np.testing.assert_array_equal(found.signals["gripper"][1][:, 0], widths)
    said = "/width: std_msgs/msg/Float64 has no stamp, the time of recording is taken"
    assert found.problems.count(said) == 1
    frame = "'wrench' is in frame 'ft_sensor', not in 'tool0' as the parameter file says"
    assert found.problems.count(frame) == 1


def info(sample_format, coding="wave", channels=2):
    store = store_of(AUDIO_BYTES)
    kind = "audio_common_msgs/msg/AudioInfo"
    given = {"channels": channels, "sample_rate": 16_000}
    given |= {"sample_format": sample_format, "coding_format": coding}
    return kind, [driver_message(kind, store=store, **given)]


RAW = {"S16LE": ("<i2", 2**15), "S32LE": ("<i4", 2**31), "F32LE": ("<f4", 1), "S8": ("i1", 2**7)}


@pytest.mark.parametrize("sample_format", RAW)
def test_sound_as_bytes_whose_form_is_said_beside(tmp_path, sample_format):
    store, (code, full) = store_of(AUDIO_BYTES), RAW[sample_format]
    kind, data = "audio_common_msgs/msg/AudioDataStamped", "audio_common_msgs/msg/AudioData"
    wave = (np.random.default_rng(2).uniform(-0.9, 0.9, (COUNT, 320)) * full).astype(code)
    messages = [
        driver_message(
            kind,
            stamp(k),
            store,
            audio=made(data, store=store, data=np.frombuffer(row.tobytes(), "u1")),
        )
        for k, row in enumerate(wave)
    ]
    streams = {"/audio/audio_stamped": (kind, messages), "/audio/audio_info": info(sample_format)}
    path = write(tmp_path / "bag", streams, store)
    topics = topic_map(audio=SensorInput("/audio/audio_stamped"))
    found = read(path, SensorLayout((), True, ()), topics)
    assert [(at, rate) for at, _, rate in found.audio] == [(stamp(k), 16_000) for k in range(COUNT)]
    for (_, samples, _), row in zip(found.audio, wave, strict=True):
        np.testing.assert_array_equal(samples, np.float32(row.astype(float) / full).reshape(-1, 2))
    assert found.problems == []


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        ({}, "no audio_common_msgs/msg/AudioInfo has come"),
        (
            {"/audio_info": info("S16LE", "flac")},
            "sound as 'flac' of 'S16LE': start its driver with",
        ),
        ({"/audio_info": info("U24BE")}, "sound as 'wave' of 'U24BE'"),
    ],
)
def test_sound_that_is_not_read_says_why(tmp_path, beside, why):
    store, kind = store_of(AUDIO_BYTES), "audio_common_msgs/msg/AudioDataStamped"
    messages = [driver_message(kind, stamp(k), store) for k in range(COUNT)]
    path = write(tmp_path / "bag", {"/mic": (kind, messages), **beside}, store)
    topics = topic_map(audio=SensorInput("/mic"))
    found = read(path, SensorLayout((), True, ()), topics)
    (problem,) = found.problems
    assert found.audio == []
    assert problem.startswith(f"/mic: {COUNT} messages cannot be read: {why}")


ARRAYS = {
    "float32_data": ("f4", 1),
    "int32_data": ("i4", 2**31),
    "int16_data": ("i2", 2**15),
    "int8_data": ("i1", 2**7),
}


@pytest.mark.parametrize("field", ARRAYS)
def test_sound_as_arrays(tmp_path, field):
    store, (code, full) = store_of(AUDIO_ARRAYS), ARRAYS[field]
    package = "audio_common_msgs/msg"
    wave = (np.random.default_rng(3).uniform(-0.9, 0.9, (COUNT, 512)) * full).astype(code)
    messages = []
    for k, row in enumerate(wave):
        samples = made(f"{package}/AudioData", store=store, **{field: row})
        said = made(f"{package}/AudioInfo", store=store, channels=1, rate=44_100)
        audio = made(f"{package}/Audio", store=store, audio_data=samples, info=said)
        messages.append(driver_message(f"{package}/AudioStamped", stamp(k), store, audio=audio))
    path = write(tmp_path / "bag", {"/audio": (f"{package}/AudioStamped", messages)}, store)
    found = read(path, SensorLayout((), True, ()), topic_map(audio=SensorInput("/audio")))
    assert [(at, rate) for at, _, rate in found.audio] == [(stamp(k), 44_100) for k in range(COUNT)]
    for (_, samples, _), row in zip(found.audio, wave, strict=True):
        np.testing.assert_array_equal(samples[:, 0], np.float32(row.astype(float) / full))
    assert found.problems == []


# What no message on the topic can mend: the line ends the command, whatever else is there.
REFUSED = {
    "another type": (
        SensorInput("/w", "std_msgs/msg/Float32"),
        "'gripper': /w: is std_msgs/msg/Float64, but signals.gripper.type is std_msgs/msg/Float32: "
        "state the type that is there, or another topic",
    ),
    "a type that holds no width": (
        SensorInput("/w", "std_msgs/msg/String"),
        "signals.gripper.type: 'gripper' needs ",
    ),
    "field": (SensorInput("/w", fields=("dta",)), "has no field 'dta' (did you mean 'data'?)"),
    "field of the stated type": (
        SensorInput("/none", "geometry_msgs/msg/Pose", ("position.w",)),
        "geometry_msgs/msg/Point has no field 'w'",
    ),
    "unit": (SensorInput("/w", unit="rad"), "signals.gripper.unit is 'rad', but the encoder takes"),
    "unit where no topic is": (SensorInput("/none", unit="rad"), "signals.gripper.unit is 'rad'"),
    "scale": (SensorInput("/w", scale=(1.0, 2.0)), "gripper.scale has 2 numbers: it needs 1"),
    "offset": (
        SensorInput("/w", fields=("data",), offset=(1.0, 2.0)),
        "gripper.offset has 2 numbers: it needs 1",
    ),
    "unit of joints": (SensorInput("/j"), "the unit of its joints is not known"),
    "columns": (
        SensorInput("/w", fields=("data", "data")),
        "signals.width.fields give 2 numbers, 'width' has 1 columns",
    ),
    "info": (SensorInput("/w", info="/w"), "gripper.info: only the microphone has it"),
}


def two_sensors(folder):
    """Two topics that carry what they should."""
    wrenches = [serialised(wrench(stamp(k), [k] * 6)) for k in range(COUNT)]
    streams = {"/w": (FLOAT, [driver_message(FLOAT)]), "/wrench": (WRENCH, wrenches)}
    streams["/j"] = JOINTS, [serialised(joints(stamp(0), ["drive_joint"], [0.7]))]
    return write(folder / "bag", streams, store_of({}))


@pytest.mark.parametrize("name", REFUSED)
def test_a_robot_file_that_cannot_be_right_is_one_line(tmp_path, name):
    said, text = REFUSED[name]
    sensor = "width" if name == "columns" else "gripper"
    layout = SensorLayout((), False, {"wrench": {}, sensor: {"width": 1}})
    topics = topic_map(**{sensor: said, "wrench": SensorInput("/wrench")})
    topics = replace(topics, gripper_joints=())
    with pytest.raises(RobotFileError) as caught:
        read(two_sensors(tmp_path), layout, topics)
    assert text in str(caught.value)


def test_commands_end_with_status_2_where_the_robot_file_cannot_be_right(tmp_path, capsys):
    """Also where other sensors are there, and a sensor that the robot lacks is no fault."""
    path, robot = two_sensors(tmp_path), tmp_path / "robot.yaml"
    layout = tmp_path / "layout.yaml"
    layout.write_text("signals: [wrench, gripper, pose]")
    entries = {"wrench": {"topic": "/wrench"}, "gripper": {"topic": "/w", "fields": ["data"]}}

    def inspected():
        robot.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"signals": entries}}}))
        arguments = [str(path), "--config", str(robot), "--layout", str(layout)]
        return run_verb("inspect", [*arguments, "--out", str(tmp_path / "seen.png")])

    assert inspected() == 0
    entries["gripper"]["fields"] = ["width"]
    assert inspected() == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.endswith(
        "signals.gripper.fields: 'width': std_msgs/msg/Float64 has no field 'width'"
    )


def test_radians_are_no_metres(tmp_path):
    states = [serialised(joints(stamp(k), ["drive_joint"], [0.7])) for k in range(COUNT)]
    path = write(tmp_path / "bag", {"/joints": (JOINTS, states)}, store_of({}))
    layout = SensorLayout((), False, ("gripper",))
    plain = TopicMap({"gripper": "/joints"}, ("drive_joint",), "")
    with pytest.raises(M2R2Error, match=r"the unit of drive_joint is not known: .*scale makes"):
        read(path, layout, plain)
    for said, width in (({"unit": "m"}, 0.7), ({"scale": (-0.1,), "offset": (0.085,)}, 0.015)):
        topics = TopicMap(
            {"gripper": "/joints"}, ("drive_joint",), "", {"gripper": SensorInput(**said)}
        )
        signals = read(path, layout, topics).signals
        np.testing.assert_allclose(signals["gripper"][1], width)
