# SPDX-License-Identifier: Apache-2.0
"""A robot and its segmenter in one, to try a planner without either: it obeys what comes on `skill`
("pick USB") and publishes segments as the segmenter does. Its first insertion fails.

python3 examples/scripted_robot.py
"""

from collections import deque
from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from m2r2_msgs.msg import ActionSegment

# Messages of one segment and the time between two of them [s].
STEPS, STEP_S = 4, 0.2
# Reliable and transient local with depth 1: who joins late gets the latest message.
QOS = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class ScriptedRobot(Node):
    def __init__(self):
        super().__init__("scripted_robot")
        self._segments = self.create_publisher(ActionSegment, "action_segment", QOS)
        self.create_subscription(String, "skill", self._obey, 10)
        self.create_timer(STEP_S, self._step)
        self._skills = deque()
        self._now = self._segment("", "", 0)
        self._steps = self._failed = 0

    def _obey(self, skill):
        print(f"asked to {skill.data}", flush=True)
        self._skills.append(skill.data)

    def _step(self):
        """One message: idle time lasts until a skill is asked for, a skill a few steps."""
        if self._steps == 0:
            self._say(ActionSegment.STARTED)
        elif self._is_over():
            self._end()
        else:
            self._say(ActionSegment.ONGOING)
        self._steps += 1

    def _is_over(self):
        return self._steps >= STEPS if self._now.action else bool(self._skills)

    def _end(self):
        if self._now.action:
            fails = self._now.action == "insert" and not self._failed
            self._failed += fails
            self._now.outcome = ActionSegment.FAILURE if fails else ActionSegment.SUCCESS
            self._now.outcome_confidence = 0.9
        self._say(ActionSegment.ENDED)
        # Between two skills the robot rests.
        skill = "" if self._now.action else self._skills.popleft()
        action, _, name = skill.partition(" ")
        self._now = self._segment(action, name, self._now.segment_id + 1)
        self._steps = -1

    def _segment(self, action, name, segment_id):
        label = f"{action} {name}".strip() or "idle"
        segment = ActionSegment(segment_id=segment_id, label=label, action=action, object=name)
        segment.start_time = self.get_clock().now().to_msg()
        segment.confidence, segment.progress = 0.9, float("nan")
        return segment

    def _say(self, status):
        self._now.status = status
        self._now.header.stamp = self._now.end_time = self.get_clock().now().to_msg()
        if self._now.action:
            self._now.progress = min(1.0, self._steps / STEPS)
        self._segments.publish(self._now)


if __name__ == "__main__":
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(ScriptedRobot())
