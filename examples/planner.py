# SPDX-License-Identifier: Apache-2.0
"""What a task planner sees: prints "started insert (0.93)", "it is insert usb (0.88)",
"ended insert usb after 4.2 s". Where the object is clear at once, it starts with it.

Run it beside the nodes, as early or as late as you like: python3 examples/planner.py
For nodes in a namespace: python3 examples/planner.py --ros-args -r __ns:=/arm1
"""

from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from m2r2_msgs.msg import ActionSegment


class Planner(Node):
    def __init__(self):
        super().__init__("planner")
        # Transient local: whoever joins late gets the current segment. Depth: so that nothing is
        # lost while this program is busy with its plan.
        qos = QoSProfile(
            depth=100,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self.create_subscription(ActionSegment, "action_segment", self.on_segment, qos)
        self.doing = ""

    def on_segment(self, segment):
        if not segment.action:  # Idle times and "unknown" are segments too.
            return
        what = f"{segment.action} {segment.object}".strip().lower()
        if segment.status == ActionSegment.STARTED:
            print(f"started {what} ({segment.confidence:.2f})", flush=True)
        elif segment.status == ActionSegment.ENDED:
            seconds = to_seconds(segment.end_time) - to_seconds(segment.start_time)
            print(f"ended {what} after {seconds:.1f} s", flush=True)
        elif what != self.doing:
            print(f"it is {what} ({segment.confidence:.2f})", flush=True)
        self.doing = what


def to_seconds(time):
    return time.sec + time.nanosec * 1e-9


if __name__ == "__main__":
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Planner())
