# SPDX-License-Identifier: Apache-2.0
"""What a task planner hears: prints "started insert usb (0.93)", "ended insert usb after 4.2 s".
An action may start before its object is clear; when it ends, the object is there.

Run it beside the nodes, as early or as late as you like: python3 examples/planner.py
For nodes in a namespace: python3 examples/planner.py --ros-args -r __ns:=/arm1
"""

from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException

from m2r2_ros.client import ActionOutcome, SegmentClient


def started(event):
    print(f"started {event.label.lower()} ({event.confidence:.2f})", flush=True)


def ended(event):
    known = event.outcome != ActionOutcome.UNKNOWN
    outcome = f": {event.outcome.name.lower()}" if known else ""
    seconds = (event.end_ns - event.start_ns) / 1e9
    print(f"ended {event.label.lower()} after {seconds:.1f} s{outcome}", flush=True)


if __name__ == "__main__":
    rclpy.init()
    node = rclpy.create_node("planner")
    client = SegmentClient(node)
    client.on_start(started)
    client.on_end(ended)
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)
