# SPDX-License-Identifier: Apache-2.0
"""A second chain in the domain of one that runs: the planner hears one, by the contract."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise

from harness import Planner, Program, check_ids, spin_until
from robot import TOPICS, Robot

from m2r2_msgs.msg import ActionSegment
from m2r2_ros.inference.segment_events import SegmentStatus


def chain(folder, models, *more):
    values = {
        "models": models,
        "heartbeat_s": 0.3,
        **{f"topics.{name}": topic for name, topic in TOPICS.items()},
    }
    given = [x for k, v in values.items() for x in ("-p", f"{k}:={v}")]
    return Program(folder, "m2r2_ros.nodes.online", "--ros-args", *given, *more)


def violations(events) -> list[str]:
    """What breaks the contract of a planner: ids, ENDED before STARTED, overlap."""
    found = []
    try:
        check_ids(events)
    except AssertionError as error:
        found.append(f"ids: {error}")
    ends = [e.end_ns for e in events if e.status == SegmentStatus.ENDED]
    starts = [e.start_ns for e in events if e.status == SegmentStatus.STARTED]
    found += [f"overlap at {b}" for a, b in zip(ends, starts[1:], strict=False) if b < a]
    found += [f"stamp back at {b.stamp_ns}" for a, b in pairwise(events) if b.stamp_ns < a.stamp_ns]
    return found


def test_a_second_chain_says_so_and_publishes_nothing(node, tmp_path, models):
    planner, robot = Planner(node), Robot(node)
    other = []
    node.create_subscription(ActionSegment, "/arm2/action_segment", other.append, 10)

    def is_open():
        return bool(planner.events) and planner.events[-1].status != SegmentStatus.ENDED

    def hears_more():
        heard = len(planner.events)
        robot.run_until(lambda: len(planner.events) > heard + 5, "more of the live chain")

    with ExitStack() as stack:
        first = stack.enter_context(chain(tmp_path, models))
        spin_until(node, lambda: planner.hears_segments, "the segmenter to be discovered")
        robot.run_until(is_open, "an open segment")
        second = stack.enter_context(chain(tmp_path, models))
        robot.run_until(lambda: second.ended, "the second chain to give up")
        assert second.end() == 2
        told = [line for line in second.output.splitlines() if "is in use by process" in line]
        assert len(told) == 1
        assert f"by process {first.process.pid}:" in told[0]
        hears_more()
        assert violations(planner.events) == []

        stack.enter_context(chain(tmp_path, models, "-r", "__ns:=/arm2"))
        robot.run_until(lambda: other, "a segment of the chain in another namespace")
        hears_more()
        assert violations(planner.events) == []

        # One that is told to end leaves nothing: its successor's run is one of its own.
        assert first.interrupt() == 0
        robot.run(0.5)
        assert violations(planner.events) == []
        assert not is_open()
        planner.events.clear()
        third = stack.enter_context(chain(tmp_path, models))
        robot.run_until(is_open, "an open segment of the successor")

        # The kernel takes the lock from one that is killed; its successor counts on.
        third.process.kill()
        third.process.wait()
        heard = len(planner.events)
        fourth = stack.enter_context(chain(tmp_path, models))
        robot.run_until(
            lambda: len(planner.events) > heard + 3 and is_open(), "segments of the next successor"
        )
        assert "of one that was killed" in fourth.output
        assert violations(planner.events) == []
