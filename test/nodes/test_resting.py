# SPDX-License-Identifier: Apache-2.0
"""Between windows the synchronizer only fetches, and leaves the next frame to the executor."""

from __future__ import annotations

import time

import pytest
from rclpy.serialization import serialize_message
from robot import SECOND, image, set_stamp
from sensor_msgs.msg import Image

from m2r2_ros.nodes.drain_schedule import TRANSPORT_NS
from m2r2_ros.nodes.synchronizer import Synchronizer


@pytest.fixture
def synchronizer(ros, models):
    node = Synchronizer(values={"models": str(models)})
    node.trigger_configure()
    node.trigger_activate()
    assert node.fault == ""
    yield node
    node.shut_down()
    node.destroy_node()


@pytest.fixture
def done(synchronizer, monkeypatch):
    """What the synchronizer does with its topics, in order."""
    done = []
    for source in synchronizer._sources:
        name = source.name
        monkeypatch.setattr(source.input, "fetch", lambda *_, name=name: done.append(name))
    drain = synchronizer._drain
    monkeypatch.setattr(synchronizer, "_drain", lambda: done.append("drain") or drain())
    return done


def frame(stamp_ns):
    return serialize_message(set_stamp(image(), stamp_ns))


def test_a_frame_that_ends_no_window_only_fetches_what_nobody_else_brings(synchronizer, done):
    now_ns = time.time_ns()
    # A window has begun, and the topics have just been drained.
    synchronizer._builder._grid.begin(now_ns)
    synchronizer._schedule.drained(time.monotonic(), None)
    synchronizer._on_reference_frame(frame(now_ns + SECOND // 30))
    others = ["hama2", "audio", "wrench", "pose", "twist", "gripper"]
    assert sorted(done) == sorted(others)
    # A frame that was fetched with the others would end its window unnoticed.
    done.clear()
    synchronizer._on_reference_frame(frame(now_ns + SECOND // 5))
    assert done[0] == "drain"


def test_a_frame_whose_window_is_not_complete_is_drained_when_it_should_be(
    ros, synchronizer, done, monkeypatch
):
    now_ns = time.time_ns()
    monkeypatch.setattr(synchronizer._builder, "frame_wait_ns", lambda stamp_ns: 20_000_000)
    began = time.monotonic()
    synchronizer._on_reference_frame(frame(now_ns))
    assert synchronizer._poll.timer_period_ns == 20_000_000 + TRANSPORT_NS
    # Only a drain takes what the executor brings.
    while "hama1" not in done:
        assert time.monotonic() - began < 30
        ros.spin_once(synchronizer, timeout_sec=1.0)
    assert time.monotonic() - began >= 0.02


def test_a_window_does_not_wait_for_topics_that_nobody_publishes(ros, node, synchronizer):
    """The other sensors are absent, and no later frame says that they are late."""
    (reference,) = (source.input for source in synchronizer._sources if source.name == "hama1")
    camera = node.create_publisher(Image, reference.topic, 10)

    def spin_until(condition):
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < 60
            ros.spin_once(synchronizer, timeout_sec=1.0)

    spin_until(lambda: not reference.problem and camera.get_subscription_count())
    now_ns = time.time_ns()
    for count in range(3):
        camera.publish(set_stamp(image(), now_ns + count * SECOND // 10))
    spin_until(lambda: synchronizer._builder.counters.windows == 2)


@pytest.mark.parametrize("message", [b"", b"nonsense", frame(0)[:9]])
def test_a_frame_that_cannot_be_read_is_drained_and_counted(synchronizer, done, message):
    synchronizer._schedule.drained(time.monotonic(), None)
    synchronizer._on_reference_frame(message)
    assert done[0] == "drain"
