# SPDX-License-Identifier: Apache-2.0
"""`camera_sync: approximate`: the nearest frames make a pair, and no camera stops another."""

from __future__ import annotations

import sys
import time
from array import array
from importlib.util import find_spec

import fake_message_filters
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from robot import TOPICS, Robot, set_stamp, stamp_of

from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.camera_sync import QUEUE_SIZE, CameraPairs
from m2r2_ros.nodes.synchronizer import Synchronizer

MS = 1_000_000
START = 1_700_000_000_000 * MS
SLOP_S = 0.02


@pytest.fixture
def filters(monkeypatch):
    """The real message_filters where it is installed."""
    if find_spec("message_filters") is None:
        monkeypatch.setitem(sys.modules, "message_filters", fake_message_filters.as_module())


@pytest.fixture
def pairs(ros, filters):
    return CameraPairs("hama1", ["hama2", "hand"], SLOP_S, jump_ns=1000 * MS)


def add(pairs, camera, *times_ms):
    """Frames whose picture is their time."""
    for ms in times_ms:
        pairs.add(camera, START + ms * MS, ms)


def found(pairs):
    """Camera, time of the reference frame, time of its own frame [ms]."""
    return [(camera, (stamp - START) // MS, picture) for camera, stamp, picture in pairs.match()]


def test_the_nearest_frames_are_pairs_before_or_after(pairs):
    add(pairs, "hama1", 0, 100, 200)
    add(pairs, "hama2", 3, 88, 212)
    assert found(pairs) == [("hama2", 0, 3), ("hama2", 100, 88), ("hama2", 200, 212)]
    assert found(pairs) == []
    assert pairs.unpaired() == {"hama2": 0, "hand": 0}


def test_the_other_half_may_come_later(pairs):
    add(pairs, "hama1", 0)
    assert found(pairs) == []
    add(pairs, "hama2", 5)
    assert found(pairs) == [("hama2", 0, 5)]
    add(pairs, "hand", 7)
    assert found(pairs) == [("hand", 0, 7)]


def test_a_whole_queue_taken_at_once_is_paired_all_the_same(pairs):
    """One topic is taken after the other; many more wait than message_filters keeps."""
    times = range(0, 100 * QUEUE_SIZE, 33)
    add(pairs, "hand", *(ms + 4 for ms in times))
    add(pairs, "hama1", *times)
    add(pairs, "hama2", *(ms - 4 for ms in times))
    both = found(pairs)
    assert [pair for pair in both if pair[0] == "hand"] == [("hand", t, t + 4) for t in times]
    assert [pair for pair in both if pair[0] == "hama2"] == [("hama2", t, t - 4) for t in times]


def test_what_is_too_far_away_is_counted(pairs):
    times = range(0, 3000, 100)
    add(pairs, "hama1", *times)
    add(pairs, "hama2", *(ms + 50 for ms in times))
    add(pairs, "hand", *times)
    assert {camera for camera, _, _ in found(pairs)} == {"hand"}
    # The newest ones may still find theirs.
    assert pairs.unpaired() == {"hama2": len(times) - QUEUE_SIZE, "hand": 0}


@pytest.mark.parametrize("step_ms", [-3_600_000, 3_600_000])
def test_after_a_jump_of_time_pairs_are_found_again(pairs, step_ms):
    times = range(0, 2000, 100)
    for offset in (0, step_ms):
        for camera in ("hama1", "hama2"):
            add(pairs, camera, *(offset + ms for ms in times))
        assert len(found(pairs)) == len(times)


def test_a_stamp_from_the_future_costs_one_pair(pairs):
    add(pairs, "hama1", 0, 100)
    add(pairs, "hama2", 0, 3_600_000)
    assert found(pairs) == [("hama2", 0, 0)]
    add(pairs, "hama1", 200, 300)
    add(pairs, "hama2", 200, 300)
    assert found(pairs) == [("hama2", 200, 200), ("hama2", 300, 300)]
    pairs.add("hama2", -5 * MS, 0)
    assert found(pairs) == []
    assert pairs.unpaired()["hama2"] == 2


def test_nothing_is_paired_across_a_reset(pairs):
    add(pairs, "hama1", 0)
    assert found(pairs) == []
    pairs.clear()
    add(pairs, "hama2", 0)
    assert found(pairs) == []


def show_their_time(robot):
    """Pictures tell their tenth of a second; hama2's are taken 15 ms after hama1's."""
    began_ns = time.time_ns()

    def change(name, message):
        if name in ("hama1", "hama2"):
            tenth = round((stamp_of(message) - began_ns) / (100 * MS))
            message.data = array("B", [tenth % 256]) * len(message.data)
        if name == "hama2":
            set_stamp(message, stamp_of(message) + 15 * MS)
        return [message]

    robot.fault = change


@pytest.mark.parametrize("camera_sync", ["held", "approximate"])
def test_windows_show_what_was_taken_at_one_time(ros, node, filters, models, camera_sync):
    windows = []
    topics = {f"topics.{name}": topic for name, topic in TOPICS.items()}
    values = {"models": str(models), "camera_sync": camera_sync, **topics}
    synchronizer = Synchronizer(on_windows=windows.extend, values=values)
    try:
        assert synchronizer.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert synchronizer.trigger_activate() == TransitionCallbackReturn.SUCCESS
        robot = Robot(node)
        show_their_time(robot)

        def both_shown():
            ros.spin_once(synchronizer, timeout_sec=0.0)
            return [w for w in windows if {"hama1", "hama2"} <= w.images.keys()][5:]

        robot.run_until(both_shown, "windows of both cameras")
        shown = [
            [int(w.images[name][0, 0, 0]) for name in ("hama1", "hama2")] for w in both_shown()
        ]
        older = [(first - second) % 256 for first, second in shown]
        # The frame taken 15 ms after the window's end belongs to the next one, unless it is paired.
        is_paired = camera_sync == "approximate"
        assert all((tenths == 0) == is_paired for tenths in older)
        report = synchronizer.report()
        assert ("hama2.unpaired" in report.values) == is_paired
    finally:
        synchronizer.trigger_shutdown()
        synchronizer.destroy_node()


def test_without_message_filters_one_line_says_what_to_do(ros, monkeypatch, models):
    monkeypatch.setitem(sys.modules, "message_filters", None)
    with pytest.raises(M2R2Error, match=r"needs the ROS package message_filters .*'held'$"):
        CameraPairs("hama1", [], SLOP_S, 1000 * MS)
    for value, reason in (("approximate", "message_filters"), ("aproximate", "did you mean 'appr")):
        node = Synchronizer(values={"models": str(models), "camera_sync": value})
        try:
            assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
            assert reason in node.fault
        finally:
            node.destroy_node()
