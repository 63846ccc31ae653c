# SPDX-License-Identifier: Apache-2.0
"""A node that is killed and started again: segments resume, ids count on, none stays open."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from math import inf

from harness import STATIONS, Planner, check_ids, node_program, spin_until
from robot import RATES_HZ, REFERENCE, TOPICS, Robot

from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.nodes.last_event import LastEvent, ended

RESUMES_WITHIN_S = 2.0
DEATHS = 3


def test_nodes_that_are_killed_and_started_again(node, tmp_path, models):
    """Each in its own process, one after the other, in the middle of a segment."""
    planner = Planner(node)
    robot = Robot(node)
    values = {
        "models": models,
        "heartbeat_s": 0.3,
        **{f"topics.{name}": topic for name, topic in TOPICS.items()},
    }

    def news_ns(victim):
        """Frames that caused news of an open segment since the victim has been active again."""
        since_ns = planner.active_ns.get(victim, inf)
        stamps = [e.stamp_ns for e in planner.events if e.status != SegmentStatus.ENDED]
        return [stamp_ns for stamp_ns in stamps if stamp_ns >= since_ns]

    def is_open():
        return planner.events and planner.events[-1].status != SegmentStatus.ENDED

    with ExitStack() as stack:
        programs = {
            name: stack.enter_context(node_program(tmp_path, name, values)) for name in STATIONS
        }
        # Before the robot says anything: who joins late hears the current segment only.
        spin_until(node, lambda: planner.hears_segments, "the segmenter to be discovered")

        def resumes_after_s(victim):
            """Seconds of the robot's frames from the victim's return until segments go on."""
            robot.run_until(lambda: planner.frames and is_open(), "an open segment")
            programs[victim].process.kill()
            programs[victim].process.wait()
            robot.run(0.5)
            frames, events = len(planner.frames), len(planner.events)
            planner.statuses.clear()
            planner.active_ns.clear()
            programs[victim] = stack.enter_context(node_program(tmp_path, victim, values))
            # The segment goes on, unless its segmenter died or the silence lasted.
            robot.run_until(
                lambda: len(planner.frames) > frames, f"predictions after the death of {victim}"
            )
            robot.run_until(
                lambda: len(planner.events) > events and is_open(),
                f"segments after the death of {victim}",
            )
            robot.run_until(lambda: news_ns(victim), f"segments with {victim} active again")
            resumed_ns, since_ns = min(news_ns(victim)), planner.active_ns[victim]
            check_ids(planner.events)
            # The time that the robot's own frames make up.
            lived = sum(since_ns < stamp_ns <= resumed_ns for stamp_ns in robot.frames_ns)
            return lived / RATES_HZ[REFERENCE]

        for victim in STATIONS[::-1]:
            # A busy machine may be late to connect the new process, but not each time; a wait
            # that the nodes themselves impose is there each time.
            assert any(resumes_after_s(victim) <= RESUMES_WITHIN_S for _ in range(DEATHS)), victim
        assert "of one that was killed" in programs["segmenter"].output
        robot.run_until(lambda: planner.level("segmenter") is not None, "diagnostics")


def test_what_a_killed_run_left_is_read_with_care(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "home"))
    last_event = LastEvent("/cell/segmenter")
    assert last_event.read() is None
    event = SegmentEvent(5, 7, SegmentStatus.ONGOING, "Pick USB", "pick", "USB", 1, 0.5, 1, 4, 0.25)
    last_event.write(event)
    assert last_event.read() == event
    assert ended(event) == replace(event, status=SegmentStatus.ENDED)
    assert ended(replace(event, status=SegmentStatus.ENDED)) is None
    assert LastEvent("/segmenter").read() is None
    os.utime(last_event.path, (0, time.time() - 100))
    assert last_event.read() is None
    for text in ("", "[", "[]", "{}", "[" * 9999, last_event.path.read_text().replace("7", '"7"')):
        last_event.path.write_text(text)
        assert last_event.read() is None
    last_event.remove()
    assert not last_event.path.exists()
    (tmp_path / "home" / "file").write_text("")
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "home" / "file"))
    nowhere = LastEvent("/segmenter")
    nowhere.write(event)
    assert "cannot be written" in nowhere.problem
