# SPDX-License-Identifier: Apache-2.0
"""ROS 1 bags become ROS 2 bags: the same topics, stamps and values; what is left out is said."""

from __future__ import annotations

import numpy as np
import pytest
from rosbags.rosbag1 import Writer
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.sensing.layout import SensorLayout

COUNT, SECOND = 30, 10**9
PAD = "hand_msgs/msg/Pad"
STORE = get_typestore(Stores.ROS1_NOETIC)
STORE.register(get_types_from_msg("Header header\nfloat32[] cells\ntime touched", PAD))


def new(name, *fields):
    return STORE.types[name](*fields)


def header(row):
    time = new("builtin_interfaces/msg/Time", 5 + row // 10, row % 10 * 100_000_000)
    return new("std_msgs/msg/Header", row, time, "wrist")


def wrench(values):
    force, torque = (new("geometry_msgs/msg/Vector3", *part) for part in (values[:3], values[3:]))
    return new("geometry_msgs/msg/Wrench", force, torque)


VALUES = np.random.default_rng(0).normal(size=(COUNT, 6))


def messages(row):
    """Topic -> type and message."""
    stamped = "geometry_msgs/msg/WrenchStamped"
    region = new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    distortion, matrix = np.arange(5.0), np.arange(9.0)
    camera = new(
        "sensor_msgs/msg/CameraInfo", header(row), 4, 6, "plumb_bob", distortion, matrix, matrix,
        np.arange(12.0), 0, 0, region,
    )  # fmt: skip
    time = new("builtin_interfaces/msg/Time", row, 7)
    return {
        "/ft": (stamped, new(stamped, header(row), wrench(VALUES[row].tolist()))),
        "/pad": (PAD, new(PAD, header(row), np.arange(3, dtype=np.float32) + row, time)),
        "/camera_info": ("sensor_msgs/msg/CameraInfo", camera),
    }


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("ros1") / "old.bag"
    with Writer(path) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=STORE)
            for topic, (kind, _) in messages(0).items()
        }
        for row in range(COUNT):
            for topic, (kind, message) in messages(row).items():
                data = STORE.serialize_ros1(message, kind)
                writer.write(connections[topic], (6 + row) * SECOND, bytes(data))
    return path


def test_topics_stamps_and_values(bag, tmp_path):
    assert run_verb("convert", [str(bag), "--out", str(tmp_path)]) == 0
    with open_bag(tmp_path / "old") as read:
        assert read.types == {topic: kind for topic, (kind, _) in messages(0).items()}
        assert read.message_count == 3 * COUNT and read.start_ns == 6 * SECOND
    topics = TopicMap({"wrench": "/ft"}, reference_camera="")
    with open_source(tmp_path / "old", topics) as source:
        batches = list(source.batches(SensorLayout((), False, ("wrench",))))
        assert source.actions is None
    stamps = np.concatenate([batch.signals["wrench"][0] for batch in batches])
    values = np.concatenate([batch.signals["wrench"][1] for batch in batches])
    np.testing.assert_array_equal(stamps, 5 * SECOND + np.arange(COUNT) * 100_000_000)
    np.testing.assert_array_equal(values, VALUES)


def test_types_of_ones_own_and_those_that_changed(bag, tmp_path):
    """Read by the definitions that the new bag carries."""
    assert run_verb("convert", [str(bag), "--out", str(tmp_path)]) == 0
    store = get_typestore(Stores.ROS2_KILTED)
    with Reader(tmp_path / "old") as reader:
        for connection in reader.connections:
            if connection.topic == "/pad":
                new_types = get_types_from_msg(connection.msgdef.data, connection.msgtype)
                store.register({n: e for n, e in new_types.items() if n not in store.fielddefs})
        read = {
            topic: [
                store.deserialize_cdr(data, connection.msgtype)
                for connection, _, data in reader.messages()
                if connection.topic == topic
            ]
            for topic in ("/pad", "/camera_info")
        }
    assert [pad.cells.tolist() for pad in read["/pad"]] == [
        [row, row + 1, row + 2] for row in range(COUNT)
    ]
    assert [(p.touched.sec, p.touched.nanosec) for p in read["/pad"]] == [
        (row, 7) for row in range(COUNT)
    ]
    # K, D, R and P are small letters in ROS 2.
    assert all(info.k.tolist() == list(range(9)) for info in read["/camera_info"])
    assert all(info.distortion_model == "plumb_bob" for info in read["/camera_info"])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_truncated(bag, tmp_path, capsys, share):
    content = bag.read_bytes()
    (tmp_path / "cut.bag").write_bytes(content[: int(share * len(content))])
    assert run_verb("convert", [str(tmp_path / "cut.bag"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "cut.bag: not a ROS 1 bag, or damaged" in error
    assert not (tmp_path / "out" / "cut").exists()


def test_damaged_bytes_are_one_line_or_read(bag, tmp_path):
    random = np.random.default_rng(1)
    for attempt in range(40):
        content = bytearray(bag.read_bytes())
        for place in random.integers(0, len(content), 5):
            content[place] = random.integers(256)
        (tmp_path / "odd.bag").write_bytes(content)
        out = tmp_path / f"out{attempt}"
        assert run_verb("convert", [str(tmp_path / "odd.bag"), "--out", str(out)]) in (0, 2)


def test_a_definition_that_is_damaged_leaves_out_its_topic_alone(bag, tmp_path, capsys):
    content = bag.read_bytes().replace(b"float32[] cells", b"float?2[] cells")
    (tmp_path / "odd.bag").write_bytes(content)
    assert run_verb("convert", [str(tmp_path / "odd.bag"), "--out", str(tmp_path)]) == 0
    assert f"/pad: left out, the definition of {PAD} is damaged" in capsys.readouterr().err
    with open_bag(tmp_path / "odd") as read:
        assert set(read.types) == {"/ft", "/camera_info"}
