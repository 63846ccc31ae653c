# SPDX-License-Identifier: Apache-2.0
"""A pick-and-place supervisor in the manner of Nav2's simple commander: it asks the robot for one
skill after the other, looks at what the robot really does, and reacts when an insertion fails.

Without a robot, in a second shell: python3 examples/scripted_robot.py
Then: python3 examples/pick_and_place_supervisor.py USB
For nodes in a namespace, at its end: --ros-args -r __ns:=/arm1

Exit status: 0 placed, 1 given up, 2 the segmenter cannot be relied on.
"""

import sys
import time

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String

from m2r2_ros.client import ActionOutcome, SegmentClient, Stale, TimedOut

ATTEMPTS = 3
# Longest time until a skill is seen to start, and to end [s].
START_S, END_S = 10.0, 60.0


class Supervisor:
    def __init__(self, node):
        self._segments = SegmentClient(node)
        # What starts a skill on your robot stands here: an action, a service, a topic.
        self._skills = node.create_publisher(String, "skill", 10)
        # What is asked before the robot is found would be lost.
        while not self._skills.get_subscription_count():
            time.sleep(0.05)

    def place(self, part):
        """Whether `part` is in its place."""
        for attempt in range(1, ATTEMPTS + 1):
            if not self.do("pick", part):
                continue
            if self.do("insert", part):
                print(f"{part} is in its place after {attempt} attempt(s)", flush=True)
                return True
        print(f"giving up on {part} after {ATTEMPTS} attempts", flush=True)
        return False

    def do(self, action, part):
        """Ask for a skill and watch it; False where it failed or has not begun."""
        self._skills.publish(String(data=f"{action} {part}"))
        try:
            started = self._segments.wait_for(action, part, timeout=START_S)
            ended = self._segments.wait_for_end(started, timeout=END_S)
        except TimedOut as error:
            print(f"{action} {part}: {error}", flush=True)
            return False
        if ended.outcome == ActionOutcome.FAILURE:
            print(f"{action} {part} failed ({ended.outcome_confidence:.2f})", flush=True)
            return False
        seen = "succeeded" if ended.outcome == ActionOutcome.SUCCESS else "ended, outcome not told"
        print(f"{action} {part} {seen}", flush=True)
        return True


def main():
    rclpy.init()
    (part,) = remove_ros_args(sys.argv)[1:] or ["USB"]
    try:
        supervisor = Supervisor(rclpy.create_node("supervisor"))
        return 0 if supervisor.place(part) else 1
    except Stale as error:
        # Neither "it goes well" nor "it fails": nobody sees. Stop the robot here.
        print(f"stopped: {error}", flush=True)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130


if __name__ == "__main__":
    sys.exit(main())
