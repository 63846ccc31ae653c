# SPDX-License-Identifier: Apache-2.0
"""Publish messages over DDS and take them as the synchronizer does; compare with offline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from harness import spin_until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message

from m2r2_ros.datasets.input_types import signal_reading
from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.messages.definitions import stored_definitions
from m2r2_ros.messages.signals import decode_batch, with_joints
from m2r2_ros.nodes.sources import make_sources
from m2r2_ros.nodes.topic_input import message_class
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

STAMP = 1_700_000_000 * 10**9


def stamped(message: Any, k: int, at: Callable[[int], int] | None = None) -> Any:
    """The message with the k-th stamp, where it has one; 10 ms apart unless `at` says other."""
    place = getattr(message, "header", None) or message
    time_field = "stamp" if hasattr(place, "stamp") else "timestamp"
    if hasattr(place, time_field):
        seconds, nanoseconds = divmod(at(k) if at else STAMP + k * 10_000_000, 10**9)
        getattr(place, time_field).sec = seconds
        getattr(place, time_field).nanosec = nanoseconds
    return message


@dataclass
class Taken:
    """Stands for the window builder: all that a source has brought."""

    signals: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    audio: list[tuple[int, np.ndarray, int]] = field(default_factory=list)
    images: list[tuple[int, np.ndarray]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def add_signal(self, name, stamps, values):
        self.signals.append((stamps, values))

    def add_audio(self, *chunk):
        self.audio.append(chunk)

    def add_image(self, name, stamp_ns, picture):
        self.images.append((stamp_ns, picture()))

    def explain(self, name, reason):
        self.reasons.append(reason)

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(map(np.concatenate, zip(*self.signals, strict=True)))


class Listener:
    """One sensor of a layout, taken from its topic as its robot file says."""

    def __init__(self, node, sensor: str, layout: SensorLayout, said: SensorInput) -> None:
        self._node = node
        self.topics = TopicMap({sensor: said.topic}, (), "", {sensor: said})
        limits, arrived = SensingLimits(), lambda message: None
        (self.source,) = make_sources(node, layout, self.topics, limits, arrived, None)
        self.taken = Taken()

    def follow(self, publisher) -> None:
        def found():
            self.source.input.follow()
            return publisher.get_subscription_count()

        spin_until(self._node, found, "a subscription")

    def take(self, count: int) -> Taken:
        def arrived():
            self.source.input.follow()
            self.source.feed(self.taken, time.time_ns())
            return self.source.input.received >= count

        spin_until(self._node, arrived, f"{count} messages")
        return self.taken

    def await_info(self) -> None:
        """What is said once of a microphone's bytes has to be there before they are."""

        def come():
            self.source.input.follow()
            self.source.feed(self.taken, time.time_ns())
            return self.source._decoder.info is not None

        spin_until(self._node, come, "an AudioInfo")

    def close(self) -> None:
        self.source.input.close()


def publisher(node, type_name: str, topic: str, is_kept: bool = False):
    durability = DurabilityPolicy.TRANSIENT_LOCAL if is_kept else DurabilityPolicy.VOLATILE
    qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
    return node.create_publisher(message_class(type_name), topic, qos)


def check_signal(node, layout, sensor, said, type_name, messages, rows, files=()) -> Taken:
    """What is published is taken as `rows`, and as the same bits from a bag."""
    sender = publisher(node, type_name, said.topic)
    listener = Listener(node, sensor, layout, said)
    try:
        listener.follow(sender)
        before = time.time_ns()
        for k, message in enumerate(messages):
            sender.publish(stamped(message, k))
        taken = listener.take(len(messages))
        after, whose = time.time_ns(), listener.source.stamps
    finally:
        listener.close()
        node.destroy_publisher(sender)
    stamps, values = taken.rows
    np.testing.assert_allclose(values, rows, rtol=1e-6, atol=1e-6)
    definitions = stored_definitions(dict(files))
    reading = signal_reading(listener.topics, layout.signals[sensor], definitions)
    raw = [serialize_message(message) for message in messages]
    reading = with_joints(reading, type_name, raw)
    is_stamped = reading.is_stamped(type_name)
    assert whose == ("header" if is_stamped else "arrival")
    offline = decode_batch(type_name, raw, reading, stamps.tolist())
    assert values.tobytes() == offline[1].tobytes()
    if is_stamped:
        assert stamps.tobytes() == offline[0].tobytes()
        assert stamps.tolist() == [STAMP + k * 10_000_000 for k in range(len(messages))]
    else:
        assert (np.diff(stamps) >= 0).all() and before <= stamps[0] <= stamps[-1] <= after
    return taken


def check_video(node, said, type_name, stream, messages, lost=()):
    """Packets over DDS give their pictures; those after a lost one none, up to a key frame.

    Returns the stamps and pictures that were taken.
    """
    sender = publisher(node, type_name, said.topic)
    listener = Listener(node, "front", SensorLayout(("front",), False, ()), said)
    sent = [k for k in range(len(messages)) if k not in lost]
    try:
        listener.follow(sender)
        for k in sent:
            sender.publish(stamped(messages[k], k, stream.stamp))
        taken = listener.take(len(sent))
        malformed = listener.source.malformed
    finally:
        listener.close()
        node.destroy_publisher(sender)
    waits = {k for n in lost for k in range(n, len(messages)) if not any(stream.keys[n : k + 1])}
    expected = [k for k in sent if k not in waits]
    assert [at for at, _ in taken.images] == [stream.stamp(k) for k in expected]
    pictures = np.array(stream.pictures).astype(int)
    nearest = [np.abs(pictures - seen).mean(axis=(1, 2, 3)).argmin() for _, seen in taken.images]
    assert nearest == expected
    assert malformed == len(taken.reasons) == len(sent) - len(expected)
    return taken.images
