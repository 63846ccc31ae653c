# SPDX-License-Identifier: Apache-2.0
"""A subscriber that does not take what it has asked for is its own trouble, nobody else's."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from harness import STATIONS, Planner, Program, check_ids, node_program, started
from robot import TOPICS, Robot
from std_srvs.srv import Trigger

STUCK = """
import time
import rclpy
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from m2r2_msgs.msg import ActionSegment, FramePrediction

def stick(message):
    heard.add(type(message))
    if len(heard) == 2:
        print("stuck", flush=True)
        time.sleep(3600)

heard = set()
rclpy.init()
node = rclpy.create_node("stuck")
# The most that a subscriber can ask for: that nothing is left out.
options = dict(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)
segments = QoSProfile(durability=DurabilityPolicy.TRANSIENT_LOCAL, **options)
node.create_subscription(ActionSegment, "/action_segment", stick, segments)
node.create_subscription(FramePrediction, "/m2r2/frame_prediction", stick, QoSProfile(**options))
rclpy.spin(node)
"""
RESETS = 6
# A step between two of them.
STEP_S = 1.0
# What the segmenter keeps of two topics for those who have not confirmed, and the allocator's ways.
GROWTH_BYTES = 15 * 2**20


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("is_stopped", [False, True], ids=["blocks", "is stopped"])
def test_a_subscriber_that_is_stuck_holds_up_nobody(node, tmp_path, models, is_stopped):
    """Its callback never returns; or its whole process stands, and acknowledges nothing."""
    planner, robot = Planner(node), Robot(node)
    topics = {f"topics.{name}": topic for name, topic in TOPICS.items()}
    values = {"models": models, "heartbeat_s": 0.1, **topics}
    stuck = Program(tmp_path, "stuck")
    stuck.command = [sys.executable, "-c", STUCK]
    with started(node, planner, node_program(tmp_path, "online", values), *STATIONS) as online:
        reset = node.create_client(Trigger, "/segmenter/reset")
        with stuck:
            robot.run_until(lambda: "stuck" in stuck.output, "the subscriber to be stuck")
            if is_stopped:
                stuck.process.send_signal(signal.SIGSTOP)
            robot.run(STEP_S)
            began, before_bytes = len(planner.frames), resident_bytes(online.process.pid)
            for _ in range(RESETS):
                # Its ENDED waits, for a while, for all who should hear it.
                robot.run_until(reset.service_is_ready, "the service")
                answer = reset.call_async(Trigger.Request())
                robot.run_until(answer.done, "the answer")
                robot.run(STEP_S)
            # The newest window wins, however busy the machine is: nothing queues up.
            newest_ns = robot.frames_ns[-1]
            robot.run_until(lambda: planner.frames[-1].stamp_ns >= newest_ns, "the newest frame")
            grown = resident_bytes(online.process.pid) - before_bytes
            assert grown < GROWTH_BYTES, f"{grown / 2**20:.1f} MiB more"
            if is_stopped:
                robot.run_until(
                    lambda: "does not confirm" in planner.statuses["segmenter"].message, "a warning"
                )
                assert int(planner.value("segmenter", "unconfirmed")) > 0
        # Who has gone has nothing to confirm.
        robot.run_until(lambda: planner.value("segmenter", "subscribers") == "1", "it to be missed")
        robot.run_until(
            lambda: "does not confirm" not in planner.statuses["segmenter"].message, "the all-clear"
        )
        indices = [frame.index for frame in planner.frames[began:]]
        left_out = indices[-1] - indices[0] + 1 - len(indices)
        robot.run_until(
            lambda: int(planner.value("feature_extractor", "skipped")) >= left_out, "the count"
        )
        assert check_ids(planner.events) >= RESETS
        node.destroy_client(reset)
