# SPDX-License-Identifier: Apache-2.0
"""The usual way to take in topics, to measure against: a callback a message, into caches.

As with `message_filters.Cache`: each message is deserialised, its stamp is read, and the newest
ones are kept. A program of its own, with the parameters `topics.<modality>` of the nodes.
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import Image

from m2r2_msgs.msg import AudioChunk
from m2r2_ros.nodes.diagnostics import OK, Diagnostics, Report
from m2r2_ros.nodes.topic_input import message_class
from m2r2_ros.nodes.transport import use_large_shared_memory
from m2r2_ros.signal_presets import PRESETS

TYPES = {
    "hama1": Image,
    "hama2": Image,
    "audio": AudioChunk,
    **{name: message_class(PRESETS[name].types[0]) for name in ("wrench", "pose", "twist")},
}
# As much as the synchronizer lets wait, in messages: ten seconds at 2 kHz, two at 60 Hz.
_DEPTHS = {Image: 120, AudioChunk: 2000}
_DEPTH = 20_000
# What a window of 0.1 s needs, and as much again.
_KEPT = 200


class Cache:
    """The newest messages of a topic with their stamps."""

    def __init__(self) -> None:
        self.count = 0
        self.entries: deque[tuple[Time, Any]] = deque(maxlen=_KEPT)

    def add(self, message: Any) -> None:
        self.count += 1
        self.entries.append((Time.from_msg(message.header.stamp), message))


class Callbacks(Node):
    """Subscribes to the load and counts what comes."""

    def __init__(self) -> None:
        super().__init__("callbacks", automatically_declare_parameters_from_overrides=True)
        self.caches = {name: Cache() for name in TYPES}
        for name, kind in TYPES.items():
            topic = self.get_parameter(f"topics.{name}").value
            depth = _DEPTHS.get(kind, _DEPTH)
            qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)
            self.create_subscription(kind, topic, self.caches[name].add, qos)
        self.diagnostics = Diagnostics(self, self._report)

    def _report(self) -> Report:
        counts = {f"{name}.messages": cache.count for name, cache in self.caches.items()}
        types = {f"{name}.type": kind.__name__ for name, kind in TYPES.items()}
        return Report(OK, "active", {**types, **counts})


def main() -> int:
    """Spin until a signal."""
    use_large_shared_memory()
    rclpy.init(args=sys.argv)
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Callbacks())
    return 0


if __name__ == "__main__":
    sys.exit(main())
