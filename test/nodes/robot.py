# SPDX-License-Identifier: Apache-2.0
"""A small robot that publishes all sensors in real time and can be made to misbehave."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable
from typing import Any

import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState

from m2r2_msgs.msg import AudioChunk
from m2r2_ros.nodes.conversions import time_to_ros

SECOND = 1_000_000_000
JOINTS = ["panda_finger_joint1", "panda_finger_joint2"]
RATES_HZ = {
    "hama1": 10,
    "hama2": 10,
    "audio": 50,
    "wrench": 100,
    "pose": 100,
    "twist": 100,
    "gripper": 50,
}
REFERENCE = "hama1"
TOPICS = {name: f"/robot/{name}" for name in RATES_HZ}
# (modality, message) -> what is published in its place
Fault = Callable[[str, Any], Iterable[Any]]


def image(height=24, width=32, encoding="rgb8", channels=3):
    size = height * width * channels
    message = Image(height=height, width=width, step=channels * width, encoding=encoding)
    message.data = array("B", bytes(size))
    return message


def sample(name):
    if name == "audio":
        return AudioChunk(sample_rate=16_000, channels=1, samples=array("f", bytes(4 * 320)))
    if name == "gripper":
        return JointState(name=JOINTS, position=[0.01, 0.01])
    kinds = {"wrench": WrenchStamped, "pose": PoseStamped, "twist": TwistStamped}
    return kinds[name]() if name in kinds else image()


def stamp_of(message):
    return message.header.stamp.sec * SECOND + message.header.stamp.nanosec


def set_stamp(message, stamp_ns):
    message.header.stamp = time_to_ros(stamp_ns)
    return message


class Robot:
    """Publishes on `node` while it runs; `fault` may change messages, `shift_ns` all stamps."""

    def __init__(self, node, absent=(), topics=TOPICS):
        self.node = node
        self._topics = topics
        self.fault: Fault = lambda name, message: [message]
        self.shift_ns = 0
        # Stamps of the reference camera's frames so far: the time that the robot has lived.
        self.frames_ns: list[int] = []
        self._publishers = {}
        self._due = {}
        for name in RATES_HZ.keys() - set(absent):
            self.appear(name)
        # Creating publishers takes its time; what is sampled in step is taken at one moment.
        self._due = dict.fromkeys(self._due, time.time_ns())

    def appear(self, name, reliability=ReliabilityPolicy.RELIABLE):
        qos = QoSProfile(depth=100, reliability=reliability)
        kind = type(sample(name))
        self._publishers[name] = self.node.create_publisher(kind, self._topics[name], qos)
        self._due[name] = time.time_ns()

    def disappear(self, name):
        self.node.destroy_publisher(self._publishers.pop(name))
        del self._due[name]

    def run_until(self, done, what, patience_s=60.0):
        """Publish what is due and spin until `done()`."""
        deadline = time.monotonic() + patience_s
        while not done():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self._publish(time.time_ns())
            rclpy.spin_once(self.node, timeout_sec=0.004)

    def run(self, seconds):
        end = time.monotonic() + seconds
        self.run_until(lambda: time.monotonic() > end, "time to pass")

    def _publish(self, now_ns):
        for name, due_ns in self._due.items():
            step_ns = SECOND // RATES_HZ[name]
            # What a busy machine has made late is left out, as a driver would.
            due_ns = max(due_ns, now_ns - SECOND // 2)
            while due_ns <= now_ns:
                stamp_ns = due_ns - (SECOND // 50 if name == "audio" else 0)
                message = set_stamp(sample(name), stamp_ns + self.shift_ns)
                message.header.frame_id = name
                if name == REFERENCE:
                    self.frames_ns.append(stamp_of(message))
                for published in self.fault(name, message):
                    self._publishers[name].publish(published)
                due_ns += step_ns
            self._due[name] = due_ns
