# SPDX-License-Identifier: Apache-2.0
"""A robot's sensors as load: kilohertz signals, raw camera frames, audio.

Run as a program of its own: python3 -m m2r2_ros.evaluation.benchmarks.load SECONDS. It waits until
everything has a subscriber, publishes, waits for acknowledgement and prints, as JSON, how long it
took and how many messages went out on each topic.
"""

from __future__ import annotations

import heapq
import json
import sys
import time
from array import array
from collections.abc import Callable, Iterator

import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from m2r2_msgs.msg import AudioChunk
from m2r2_ros.nodes.conversions import time_to_ros
from m2r2_ros.nodes.transport import use_large_shared_memory

SIGNAL_HZ, CAMERA_HZ, AUDIO_HZ = 1000.0, 30.0, 50.0
WIDTH, HEIGHT, AUDIO_RATE_HZ = 640, 480, 48_000
TOPICS = {
    "hama1": "/load/hama1",
    "hama2": "/load/hama2",
    "audio": "/load/audio",
    "wrench": "/load/wrench",
    "pose": "/load/pose",
    "twist": "/load/twist",
}
_PATIENCE_S = 60.0
# CDR: four bytes of encapsulation, then the stamp of the header.
_STAMP = slice(4, 12)


def main() -> int:
    """Publish for the seconds given on the command line."""
    seconds = float(sys.argv[1])
    use_large_shared_memory()
    rclpy.init(args=[])
    node = rclpy.create_node("load")
    publishers = {name: _publisher(node, name) for name in TOPICS}
    _await(lambda: all(p.get_subscription_count() for p in publishers.values()))
    time.sleep(1.0)
    began = time.monotonic()
    counts = _publish(publishers, seconds)
    elapsed_s = time.monotonic() - began
    for publisher in publishers.values():
        publisher.wait_for_all_acked(Duration(seconds=_PATIENCE_S))
    print(json.dumps({"seconds": elapsed_s, "messages": counts}), flush=True)
    rclpy.try_shutdown()
    return 0


def _publisher(node: rclpy.node.Node, name: str) -> Publisher:
    message, rate_hz = _sample(name)
    qos = QoSProfile(depth=round(2 * rate_hz), reliability=ReliabilityPolicy.RELIABLE)
    return node.create_publisher(type(message), TOPICS[name], qos)


def _sample(name: str) -> tuple[object, float]:
    """A message with sensible content, and the rate of its topic."""
    if name == "audio":
        samples = array("f", bytes(4 * round(AUDIO_RATE_HZ / AUDIO_HZ)))
        return AudioChunk(sample_rate=AUDIO_RATE_HZ, channels=1, samples=samples), AUDIO_HZ
    signals = {"wrench": WrenchStamped, "pose": PoseStamped, "twist": TwistStamped}
    if name in signals:
        return signals[name](), SIGNAL_HZ
    image = Image(height=HEIGHT, width=WIDTH, step=3 * WIDTH, encoding="rgb8")
    image.data = array("B", bytes(3 * WIDTH * HEIGHT))
    return image, CAMERA_HZ


def _publish(publishers: dict[str, Publisher], seconds: float) -> dict[str, int]:
    """Against absolute deadlines; every stamp is the time at which the sample was due."""
    messages = {name: bytearray(serialize_message(_sample(name)[0])) for name in publishers}
    ticks = heapq.merge(*(_ticks(name, _sample(name)[1], seconds) for name in publishers))
    counts = dict.fromkeys(publishers, 0)
    began, start_ns = time.monotonic(), time.time_ns()
    for due_s, name in ticks:
        early_s = began + due_s - time.monotonic()
        if early_s > 0:
            time.sleep(early_s)
        stamp = serialize_message(time_to_ros(start_ns + round(due_s * 1e9)))
        messages[name][_STAMP] = stamp[4:12]
        publishers[name].publish(bytes(messages[name]))
        counts[name] += 1
    return counts


def _ticks(name: str, rate_hz: float, seconds: float) -> Iterator[tuple[float, str]]:
    return ((index / rate_hz, name) for index in range(int(seconds * rate_hz)))


def _await(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            sys.exit("not everything has found a subscriber")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
