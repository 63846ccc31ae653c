# SPDX-License-Identifier: Apache-2.0
"""From a topic's waiting messages to the window builder, one class a kind of sensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from rclpy.node import Node

from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.messages.audio import decode_audio
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.images import decode_image
from m2r2_ros.messages.signals import decode_batch
from m2r2_ros.messages.types import check_type
from m2r2_ros.nodes.ingest import TopicInput
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

# Messages that may wait while the encoder runs or the machine is busy. Frames are large: two
# seconds at 60 Hz. Small messages: as much as the builder itself would keep.
_CAMERA_DEPTH = 120
_SHORTEST_AUDIO_CHUNK_S = 0.005


class Source(Protocol):
    """A modality's topic and what is done with its messages."""

    name: str
    input: TopicInput
    # Messages that could not be read.
    malformed: int

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        """Take all that had come by `until_ns` and add it."""


class CameraSource:
    """Frames are decoded only when a window uses them."""

    def __init__(
        self, node: Node, name: str, topic: str, on_arrival: Callable[[], None] | None
    ) -> None:
        self.name = name
        self.malformed = 0
        self.input = TopicInput(node, topic, partial(check_type, name), _CAMERA_DEPTH, on_arrival)

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        for message in self.input.take(until_ns):
            try:
                stamp_ns, picture = decode_image(self.input.type_name, message)
            except MessageError:
                self.malformed += 1
            else:
                builder.add_image(self.name, stamp_ns, picture)


class AudioSource:
    """Chunks of samples, whatever their length, rate and channels."""

    def __init__(self, node: Node, topic: str, limits: SensingLimits) -> None:
        self.name = AUDIO
        self.malformed = 0
        depth = round(limits.buffer_s / _SHORTEST_AUDIO_CHUNK_S)
        self.input = TopicInput(node, topic, partial(check_type, AUDIO), depth)

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        for message in self.input.take(until_ns):
            try:
                stamp_ns, samples, rate_hz = decode_audio(message)
            except MessageError:
                self.malformed += 1
            else:
                builder.add_audio(stamp_ns, samples, rate_hz)


class SignalSource:
    """Small messages by the thousand, read as one batch."""

    def __init__(
        self, node: Node, name: str, topic: str, limits: SensingLimits, joints: Sequence[str]
    ) -> None:
        self.name = name
        self.malformed = 0
        depth = round(limits.buffer_s * limits.max_signal_rate_hz)
        self._joints = joints
        self.input = TopicInput(node, topic, partial(check_type, name), depth)

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        messages = self.input.take(until_ns)
        if messages:
            stamps, values = decode_batch(self.input.type_name, messages, self._joints)
            self.malformed += len(messages) - len(stamps)
            builder.add_signal(self.name, stamps, values)

    def _check_type(self, type_name: str) -> None:
        check_type(self.name, type_name)


def make_sources(
    node: Node,
    layout: SensorLayout,
    topics: TopicMap,
    limits: SensingLimits,
    on_reference_frame: Callable[[], None],
) -> list[Source]:
    """One source for each modality of the encoder's layout.

    Raises M2R2Error when a modality has no topic.
    """
    sources: list[Source] = []
    for name in layout.modalities:
        topic = topics.topic(name)
        if name in layout.cameras:
            on_arrival = on_reference_frame if name == topics.reference_camera else None
            sources.append(CameraSource(node, name, topic, on_arrival))
        elif name == AUDIO:
            sources.append(AudioSource(node, topic, limits))
        else:
            sources.append(SignalSource(node, name, topic, limits, topics.gripper_joints))
    return sources
