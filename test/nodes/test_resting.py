# SPDX-License-Identifier: Apache-2.0
"""Between windows the synchronizer only fetches, and leaves the next frame to the executor."""

from __future__ import annotations

import time

import numpy as np
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
    close = synchronizer._close
    monkeypatch.setattr(synchronizer, "_close", lambda: done.append("close") or close())
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
    assert set(done) == {"hama1", *others, "close"}


def test_a_frame_whose_window_is_not_complete_is_drained_when_it_should_be(
    ros, synchronizer, done, monkeypatch
):
    now_ns = time.time_ns()
    monkeypatch.setattr(synchronizer._builder, "frame_wait_ns", lambda stamp_ns: 20_000_000)
    began = time.monotonic()
    synchronizer._on_reference_frame(frame(now_ns))
    assert synchronizer._poll.timer_period_ns == 20_000_000 + TRANSPORT_NS
    # What has come is taken at once, so that pictures can be worked on; the window is left to it.
    assert "hama1" in done and "close" not in done
    while "close" not in done:
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
    assert done[0] == "hama1" and done[-1] == "close"


def test_a_picture_is_worked_on_before_its_window_is_complete(synchronizer, monkeypatch):
    """That of the reference frame, while the other sensors are read; each picture once."""
    told = []
    monkeypatch.setattr(synchronizer, "_on_picture", lambda *picture: told.append(picture))
    (camera,) = (source for source in synchronizer._sources if source.name == "hama1")
    now_ns = time.time_ns()
    synchronizer._builder.expect(["hama1", "hama2"])
    for count in range(4):
        stamp_ns = now_ns + count * SECOND // 10
        message = frame(stamp_ns)
        monkeypatch.setattr(
            camera.input, "take", lambda until_ns, m=[message]: [m.pop()] if m else []
        )
        camera.input.type_name = "sensor_msgs/msg/Image"
        synchronizer._on_reference_frame(message)
        synchronizer._drain()
    # The first two tell where the first window begins.
    assert [name for name, _ in told] == ["hama1"] * 2
    assert all(np.array_equal(picture(), told[0][1]()) for _, picture in told)
