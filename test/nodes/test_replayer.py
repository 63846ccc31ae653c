# SPDX-License-Identifier: Apache-2.0
"""A played bag is the recorded one: bytes, types, quality of service, times."""

from __future__ import annotations

import time

import pytest
from harness import Program, replay_program, spin_until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from m2r2_msgs.msg import ActionSegment
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.topics import GROUND_TRUTH_TOPIC
from m2r2_ros.nodes.conversions import time_from_ros
from m2r2_ros.nodes.ingest import TopicInput

TOPICS = ("/hama1/image_raw/compressed", "/wrist/wrench", "/hand/audio")


def without_padding(arrived, recorded):
    """DDS fills messages up to a multiple of four bytes."""
    padding = len(arrived) - len(recorded)
    assert padding in (0, -len(recorded) % 4)
    return arrived[: len(recorded)]


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_every_byte_arrives_at_its_time(node, tmp_path, bag, rate):
    inputs = [TopicInput(node, topic, lambda name: None, 20_000) for topic in TOPICS]
    arrived = {topic: [] for topic in TOPICS}
    times = []

    def drain():
        for source in inputs:
            source.follow()
            messages = source.take()
            arrived[source.topic] += messages
            if messages and source.topic == TOPICS[0]:
                times.append(time.monotonic())

    with replay_program(tmp_path, bag, "--rate", str(rate)) as replay:
        spin_until(node, lambda: drain() or replay.ended, "the end")
        drain()
        assert replay.end() == 0, replay.output
    with open_bag(bag) as recorded:
        for topic in TOPICS:
            expected = [message.data for message in recorded.messages([topic])]
            got = arrived[topic]
            assert [without_padding(*pair) for pair in zip(got, expected, strict=True)] == expected
        frames = [message.log_ns for message in recorded.messages(TOPICS[:1])]
    assert [source.lost for source in inputs] == [0, 0, 0]
    # The first and last frame are as far apart as they were; a test machine is late at times.
    assert times[-1] - times[0] == pytest.approx((frames[-1] - frames[0]) / 1e9 / rate, abs=0.5)


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
