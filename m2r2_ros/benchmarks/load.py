# SPDX-License-Identifier: Apache-2.0
"""A robot's sensors as load: kilohertz signals, raw camera frames, audio.

Run as a program of its own: python3 -m m2r2_ros.benchmarks.load SECONDS CAMERA_HZ
SENSOR..., with the sensors as the encoders' layouts name them; hand=4000x3000@3 is a camera of its
own size and rate, hand=jpeg one that sends JPEGs, pad:["a","b"] a signal with these columns. It
waits until everything has a subscriber, says so, and publishes once its standard input has ended.
Then it waits for acknowledgement and prints, as JSON, when it began, how long it took and how many
messages of each
sensor went out.
"""

from __future__ import annotations

import heapq
import io
import json
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import PIL.Image
import rclpy
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image, JointState

from m2r2_msgs.msg import AudioChunk
from m2r2_ros.benchmarks.options import READY
from m2r2_ros.datasets.reassemble_rig import FINGER_JOINTS
from m2r2_ros.nodes.conversions import time_to_ros
from m2r2_ros.nodes.topic_input import message_class
from m2r2_ros.nodes.transport import use_large_shared_memory
from m2r2_ros.signal_presets import PRESETS, preset_of

SIGNAL_HZ, GRIPPER_HZ, AUDIO_HZ = 1000.0, 50.0, 50.0
WIDTH, HEIGHT, AUDIO_RATE_HZ = 640, 480, 48_000
# How a camera's word asks for them.
JPEG = "jpeg"
_PATIENCE_S = 60.0
# CDR: four bytes of encapsulation, then the stamp of the header.
_STAMP = slice(4, 12)


def main() -> int:
    """Publish what the command line asks for."""
    seconds, camera_hz = map(float, sys.argv[1:3])
    own = {asked.name: asked for asked in map(_parsed, sys.argv[3:])}
    use_large_shared_memory()
    rclpy.init(args=[])
    node = rclpy.create_node("load")
    rates_hz = {
        name: asked.rate_hz or _rate_hz(name, SIGNAL_HZ if asked.columns else camera_hz)
        for name, asked in own.items()
    }
    samples = {name: _sample(asked) for name, asked in own.items()}
    publishers = {
        name: _publisher(node, name, type(sample), rates_hz[name])
        for name, sample in samples.items()
    }
    _await(lambda: all(p.get_subscription_count() for p in publishers.values()))
    # The subscribers have been found; they may not have found us.
    time.sleep(1.0)
    print(READY, flush=True)
    sys.stdin.read()
    began, start_ns = time.monotonic(), time.time_ns()
    messages = {name: bytearray(serialize_message(each)) for name, each in samples.items()}
    counts = _publish(publishers, messages, rates_hz, seconds, began, start_ns)
    elapsed_s = time.monotonic() - began
    for publisher in publishers.values():
        publisher.wait_for_all_acked(Duration(seconds=_PATIENCE_S))
    report = {"start_ns": start_ns, "seconds": elapsed_s, "messages": counts}
    print(json.dumps(report), flush=True)
    rclpy.try_shutdown()
    return 0


def topic(sensor: str) -> str:
    """Where the load publishes it."""
    return f"/load/{sensor}"


class _Asked(NamedTuple):
    """A sensor: size of its pictures (width, height), rate [Hz] or 0 for the usual, columns."""

    name: str
    size: tuple[int, int] = (WIDTH, HEIGHT)
    rate_hz: float = 0.0
    columns: Sequence[str] = ()
    is_jpeg: bool = False


def _parsed(word: str) -> _Asked:
    name, _, columns = word.partition(":")
    if columns:
        return _Asked(name, columns=json.loads(columns))
    name, _, own = word.partition("=")
    if not own or own == JPEG:
        return _Asked(name, is_jpeg=bool(own))
    size, rate_hz = own.split("@")
    width, height = map(int, size.split("x"))
    return _Asked(name, (width, height), float(rate_hz))


def _rate_hz(name: str, other_hz: float) -> float:
    slow_hz = {"audio": AUDIO_HZ, "gripper": GRIPPER_HZ}
    return slow_hz.get(preset_of(name) or name, SIGNAL_HZ if preset_of(name) else other_hz)


def _publisher(node: rclpy.node.Node, name: str, kind: type, rate_hz: float) -> Publisher:
    qos = QoSProfile(depth=round(2 * rate_hz), reliability=ReliabilityPolicy.RELIABLE)
    return node.create_publisher(kind, topic(name), qos)


def _sample(asked: _Asked) -> object:
    """A message with sensible content."""
    name = asked.name
    if asked.columns:
        values = [0.02] * len(asked.columns)
        return JointState(name=asked.columns, position=values, velocity=values, effort=values)
    if name == "audio":
        samples = array("f", bytes(4 * round(AUDIO_RATE_HZ / AUDIO_HZ)))
        return AudioChunk(sample_rate=AUDIO_RATE_HZ, channels=1, samples=samples)
    if preset_of(name) == "gripper":
        return JointState(name=FINGER_JOINTS, position=[0.02] * len(FINGER_JOINTS))
    if preset_of(name):
        return message_class(PRESETS[preset_of(name)].types[0])()
    width, height = asked.size
    if asked.is_jpeg:
        return CompressedImage(format="jpeg", data=array("B", _jpeg(width, height)))
    image = Image(height=height, width=width, step=3 * width, encoding="rgb8")
    image.data = array("B", bytes(3 * width * height))
    return image


def _jpeg(width: int, height: int) -> bytes:
    """As large as a camera's: shades with noise."""
    shades = np.linspace(0, 200, width)[None, :, None] + np.zeros((height, 1, 3))
    noise = np.random.default_rng(0).normal(0, 14, (height, width, 3))
    buffer = io.BytesIO()
    picture = PIL.Image.fromarray((shades + 25 + noise).clip(0, 255).astype(np.uint8))
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _publish(
    publishers: dict[str, Publisher],
    messages: dict[str, bytearray],
    rates_hz: dict[str, float],
    seconds: float,
    began: float,
    start_ns: int,
) -> dict[str, int]:
    """Against absolute deadlines; every stamp is the time at which the sample was due.

    A chunk of audio is stamped with its first sample and goes out when its last one was taken.
    What is due at one moment goes out by size: a picture is the last to arrive on a robot, too.
    """
    by_size = sorted(messages, key=lambda name: len(messages[name]))
    ticks = (_ticks(turn, rates_hz[name], seconds) for turn, name in enumerate(by_size))
    counts = dict.fromkeys(publishers, 0)
    for due_s, turn in heapq.merge(*ticks):
        name = by_size[turn]
        early_s = began + due_s - time.monotonic()
        if early_s > 0:
            time.sleep(early_s)
        stamped_s = due_s - 1.0 / AUDIO_HZ if name == "audio" else due_s
        stamp = serialize_message(time_to_ros(start_ns + round(stamped_s * 1e9)))
        messages[name][_STAMP] = stamp[4:12]
        _send(publishers[name], bytes(messages[name]))
        counts[name] += 1
    return counts


def _send(publisher: Publisher, message: bytes) -> None:
    """Publish, again if need be: on a starved machine the middleware now and then refuses."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            publisher.publish(message)
            return
        except RuntimeError:
            if time.monotonic() > deadline:
                raise


def _ticks(turn: int, rate_hz: float, seconds: float) -> Iterator[tuple[float, int]]:
    return ((index / rate_hz, turn) for index in range(int(seconds * rate_hz)))


def _await(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            sys.exit("not everything has found a subscriber")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
