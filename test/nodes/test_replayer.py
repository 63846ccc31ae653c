# SPDX-License-Identifier: Apache-2.0
"""A played bag is the recorded one: bytes, types, quality of service, times."""

from __future__ import annotations

import numpy as np
import pytest
from bag_files import TYPE, make_messages, write_mcap, write_metadata
from harness import Program, replay_program, spin_until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from m2r2_msgs.msg import ActionSegment
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.topics import GROUND_TRUTH_TOPIC
from m2r2_ros.nodes import replayer
from m2r2_ros.nodes.conversions import time_from_ros
from m2r2_ros.nodes.topic_input import TopicInput

TOPICS = ("/hama1/image_raw/compressed", "/wrist/wrench", "/hand/audio")


def without_padding(arrived, recorded):
    """DDS fills messages up to a multiple of four bytes."""
    padding = len(arrived) - len(recorded)
    assert padding in (0, -len(recorded) % 4)
    return arrived[: len(recorded)]


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_every_byte_arrives(node, tmp_path, bag, rate):
    inputs = [TopicInput(node, topic, lambda name: None, 20_000) for topic in TOPICS]
    arrived = {topic: [] for topic in TOPICS}

    def drain():
        for source in inputs:
            source.follow()
            arrived[source.topic] += source.take()

    with replay_program(tmp_path, bag, "--rate", str(rate)) as replay:
        spin_until(node, lambda: drain() or replay.ended, "the end")
        drain()
        assert replay.end() == 0, replay.output
    with open_bag(bag) as recorded:
        for topic in TOPICS:
            expected, got = [m.data for m in recorded.messages([topic])], arrived[topic]
            assert [without_padding(*pair) for pair in zip(got, expected, strict=True)] == expected
    assert [source.lost for source in inputs] == [0, 0, 0]


class FakeTime:
    """Time that passes only by waiting, and by 0.1 ms of work for each message."""

    def __init__(self):
        self.now_s = 50.0
        self.published = []

    def monotonic(self):
        return self.now_s

    def wait(self, seconds):
        self.now_s += seconds
        return False

    def publish(self, data):
        self.published.append(self.now_s)
        self.now_s += 1e-4


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0])
def test_lateness_does_not_add_up(ros, monkeypatch, bag, rate):
    fake = FakeTime()
    node = replayer.Replayer({"bag": str(bag), "rate": rate})
    try:
        node.trigger_configure()
        node._stop = fake
        node._outputs = dict.fromkeys(node._outputs, fake)
        monkeypatch.setattr(replayer, "time", fake)
        node._play_once()
    finally:
        node.destroy_node()
    with open_bag(bag) as recorded:
        log_s = np.array([(m.log_ns - recorded.start_ns) / 1e9 for m in recorded.messages()])
    late_s = np.array(fake.published) - 50.0 - log_s / rate
    assert len(late_s) > 5000
    assert late_s.min() >= -1e-6
    # A few messages of the same moment wait for each other, no more.
    assert late_s.max() < 3e-3


def test_clock_and_labels(node, tmp_path, bag):
    clocks, labels = [], []
    node.create_subscription(Clock, "/clock", lambda m: clocks.append(time_from_ros(m.clock)), 1000)
    qos = QoSProfile(
        depth=100,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    node.create_subscription(ActionSegment, GROUND_TRUTH_TOPIC, labels.append, qos)
    with replay_program(tmp_path, bag, "--rate", "4", "--clock") as replay:
        spin_until(node, lambda: replay.ended, "the end")
        assert replay.end() == 0, replay.output
    with open_bag(bag) as recorded:
        duration_ns = recorded.end_ns - recorded.start_ns
        expected = list(recorded.messages([GROUND_TRUTH_TOPIC]))
    assert clocks == sorted(clocks)
    assert clocks[0] >= 1_600_000_000_000_000_000
    assert clocks[-1] - clocks[0] == pytest.approx(duration_ns, abs=1e8)
    # 100 Hz of wall time: every 40 ms of the recording at four times its speed.
    assert len(clocks) == pytest.approx(duration_ns / 40e6, abs=3)
    assert len(labels) == len(expected) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere"], "/nowhere: no such bag"),
        (["n" * 300], "File name too long"),
        (["{bag}", "--rate", "0"], "parameter rate must be in [0.01, 100]"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, ros, bag, arguments, message):
    arguments = [text.replace("{bag}", str(bag)) for text in arguments]
    with Program(tmp_path, "m2r2_ros.cli.main", "replay", *arguments) as replay:
        assert replay.end() == 2
    lines = [line for line in replay.output.splitlines() if "replay:" not in line and line.strip()]
    assert len(lines) == 1, replay.output
    assert message in lines[0]


def test_a_path_that_no_parameter_can_hold_ends_in_one_line(tmp_path, ros):
    with Program(tmp_path, "m2r2_ros.cli.main", "replay", "\udc80") as replay:
        assert replay.end() == 2
    assert "no UTF-8" in replay.output and "Traceback" not in replay.output


def test_topics_that_cannot_be_played_are_left_out(node, tmp_path):
    """`ros2 bag record -a` leaves topics of packages that this machine does not have."""
    messages = make_messages(20, topics=("/text",))
    folder = tmp_path / "bag"
    folder.mkdir()
    write_mcap(folder / "bag_0.mcap", messages)
    types = {"/foreign": "franka_msgs/msg/FrankaRobotState", "/odd": "no type", "/no topic!": TYPE}
    for number, (topic, type_name) in enumerate(types.items(), start=1):
        others = make_messages(7, topics=(topic,), seed=number)
        write_mcap(folder / f"bag_{number}.mcap", others, type_name=type_name)
        messages = messages + others
    write_metadata(folder, [f"bag_{number}.mcap" for number in range(4)], messages)
    source = TopicInput(node, "/text", lambda name: None, 100)
    arrived = []
    with replay_program(tmp_path, folder, "--rate", "4") as replay:
        spin_until(node, lambda: take_all(source, arrived) or replay.ended, "the end")
        take_all(source, arrived)
        assert replay.end() == 0, replay.output
    assert len(arrived) == 20
    for topic in types:
        assert f"{topic} is left out, 7 messages: " in replay.output
    assert "'no type' is not of the form package/msg/Type" in replay.output


def take_all(source, arrived):
    source.follow()
    arrived += source.take()


def test_a_bag_of_which_nothing_can_be_played(tmp_path, ros):
    write_mcap(tmp_path / "a.mcap", make_messages(5), type_name="franka_msgs/msg/FrankaRobotState")
    with Program(tmp_path, "m2r2_ros.cli.main", "replay", str(tmp_path / "a.mcap")) as replay:
        assert replay.end() == 2
    assert "holds no topic that can be played: /a: messages of type franka_msgs" in replay.output
