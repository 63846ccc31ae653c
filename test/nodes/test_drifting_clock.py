# SPDX-License-Identifier: Apache-2.0
"""A sensor whose clock is apart from the others: named, left out alone, taken back."""

from __future__ import annotations

from harness import Planner, node_program, started
from robot import TOPICS, Robot, set_stamp, stamp_of

MS = 1_000_000


def test_a_clock_that_leaves_is_named_and_left_out_alone(node, tmp_path, models):
    planner, robot = Planner(node), Robot(node)
    ahead_ms = 300

    def wrong(name, message):
        if name == "gripper":
            set_stamp(message, stamp_of(message) + ahead_ms * MS)
        return [message]

    def says(*texts):
        status = planner.statuses.get("synchronizer")
        return status is not None and all(text in status.message for text in texts)

    robot.fault = wrong
    values = {"models": models, **{f"topics.{name}": topic for name, topic in TOPICS.items()}}
    program = node_program(tmp_path, "synchronizer", values)
    with started(node, planner, program, "synchronizer"):
        robot.run_until(lambda: says("gripper's clock is 0.3", "ahead of the others"), "a warning")
        assert planner.value("synchronizer", "masked") == ""
        ahead_ms = 1300
        robot.run_until(lambda: says("gripper is masked: its clock is 1.3"), "its name")
        robot.run_until(lambda: planner.value("synchronizer", "masked") == "gripper", "its mask")
        message = planner.statuses["synchronizer"].message
        assert not any(name in message for name in TOPICS.keys() - {"gripper"})
        assert 1.25 < float(planner.value("synchronizer", "gripper.clock_offset_s")) < 1.35
        ahead_ms = 0
        robot.run_until(lambda: says("active"), "all to be well again")
        assert planner.value("synchronizer", "resets") == "0"
        assert "time has jumped" not in program.output
