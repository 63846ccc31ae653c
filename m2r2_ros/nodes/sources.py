# SPDX-License-Identifier: Apache-2.0
"""From a topic's waiting messages to the window builder, one class a kind of sensor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from rclpy.node import Node

from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.messages.audio_chunks import decode_audio
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.images import decode_image
from m2r2_ros.messages.reading import Reading, reading_of
from m2r2_ros.messages.signals import decode_batch, why_unreadable
from m2r2_ros.messages.types import check_type
from m2r2_ros.nodes.camera_sync import CameraPairs
from m2r2_ros.nodes.stream_signature import StreamSignature
from m2r2_ros.nodes.topic_input import TopicInput
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.memory_budget import MEGABYTE
from m2r2_ros.sensing.picture import Picture

# Messages that may wait while the encoder runs or the machine is busy. Frames are large: two
# seconds at 30 Hz. Small messages: as much as the builder itself would keep.
_CAMERA_DEPTH = 60
_SHORTEST_AUDIO_CHUNK_S = 0.005
# The part of `buffer_mb` that waiting messages may take (samples have the rest), and the cameras'
# part of that.
_QUEUES, _OF_CAMERAS = 0.5, 0.75

# Raises M2R2Error on a message type that cannot carry the modality.
CheckType = Callable[[str], None]


class Source(Protocol):
    """Reads one modality's topic into the builder."""

    name: str
    input: TopicInput
    # Messages that could not be read.
    malformed: int
    signature: StreamSignature

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        """Take all that had come by `until_ns` and add it."""


class CameraSource:
    """Frames are decoded only when a window uses them."""

    def __init__(
        self,
        node: Node,
        name: str,
        topic: str,
        check: CheckType,
        on_arrival: Callable[[bytes], None] | None,
        pairs: CameraPairs | None,
        max_bytes: float,
    ) -> None:
        """With `on_arrival` it is the reference camera; with `pairs` the others wait for it."""
        self.name = name
        self.malformed = 0
        self.signature = StreamSignature()
        self.input = TopicInput(node, topic, check, _CAMERA_DEPTH, on_arrival, max_bytes)
        self._pairs = pairs
        self._is_held = on_arrival is not None or pairs is None

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        for message in self.input.take(until_ns):
            try:
                stamp_ns, picture = decode_image(self.input.type_name, message)
            except MessageError as error:
                self.malformed += 1
                builder.explain(self.name, str(error))
                continue
            self.signature.note(self.input.type_name, message)
            if self._is_held:
                builder.add_image(self.name, stamp_ns, picture)
            if self._pairs is not None:
                self._pair(builder, stamp_ns, picture)

    def _pair(self, builder: WindowBuilder, stamp_ns: int, picture: Picture) -> None:
        """What waits for its other half is small, as what waits in the builder."""
        fitted = builder.fitted(self.name, picture)
        if fitted is not None:
            self._pairs.add(self.name, stamp_ns, fitted)


class AudioSource:
    """Chunks of samples of any length, rate and number of channels."""

    def __init__(
        self, node: Node, topic: str, check: CheckType, limits: SensingLimits, max_bytes: float
    ) -> None:
        self.name = AUDIO
        self.malformed = 0
        self.signature = StreamSignature()
        depth = round(limits.buffer_s / _SHORTEST_AUDIO_CHUNK_S)
        self.input = TopicInput(node, topic, check, depth, max_bytes=max_bytes)

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        messages = self.input.take(until_ns)
        for message in messages:
            try:
                stamp_ns, samples, rate_hz = decode_audio(message)
            except MessageError as error:
                self.malformed += 1
                builder.explain(self.name, str(error))
            else:
                builder.add_audio(stamp_ns, samples, rate_hz)
        if messages:
            self.signature.note(self.input.type_name, messages[-1])


class SignalSource:
    """Small messages by the thousand, read as one batch."""

    def __init__(
        self,
        node: Node,
        name: str,
        topic: str,
        check: CheckType,
        limits: SensingLimits,
        reading: Reading,
        max_bytes: float,
    ) -> None:
        self.name = name
        self.malformed = 0
        self.signature = StreamSignature()
        depth = round(limits.buffer_s * limits.max_signal_rate_hz)
        self._reading = reading
        self.input = TopicInput(node, topic, check, depth, max_bytes=max_bytes)

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        messages = self.input.take(until_ns)
        if messages:
            stamps, values = decode_batch(self.input.type_name, messages, self._reading)
            self.malformed += len(messages) - len(stamps)
            builder.add_signal(self.name, stamps, values)
            if not len(stamps):
                why = why_unreadable(self.input.type_name, messages[-1], self._reading)
                builder.explain(self.name, why)
            # One a batch: at a kilohertz there is no time to check each.
            self.signature.note(self.input.type_name, messages[-1])


def make_sources(
    node: Node,
    layout: SensorLayout,
    topics: TopicMap,
    limits: SensingLimits,
    on_reference_frame: Callable[[bytes], None],
    pairs: CameraPairs | None,
) -> list[Source]:
    """One source for each modality of the encoder's layout that the robot has.

    With `pairs`, frames of the other cameras go there instead of into the builder.
    Raises M2R2Error when the robot has none.
    """
    sources: list[Source] = []
    of_camera, of_other = _shares(layout, limits)
    for name, topic in topics.served(layout.modalities).items():
        check = partial(check_type, layout, name)
        if name in layout.cameras:
            on_arrival = on_reference_frame if name == topics.reference_camera else None
            source = CameraSource(node, name, topic, check, on_arrival, pairs, of_camera)
            sources.append(source)
        elif name == AUDIO:
            sources.append(AudioSource(node, topic, check, limits, of_other))
        else:
            reading = reading_of(layout.signals[name], topics.gripper_joints)
            source = SignalSource(node, name, topic, check, limits, reading, of_other)
            sources.append(source)
    return sources


def _shares(layout: SensorLayout, limits: SensingLimits) -> tuple[float, float]:
    """Bytes that the waiting messages of a camera may take, and those of another sensor."""
    queues = _QUEUES * limits.buffer_mb * MEGABYTE
    cameras = len(layout.cameras)
    others = len(layout.modalities) - cameras
    return _OF_CAMERAS * queues / max(1, cameras), (1 - _OF_CAMERAS) * queues / max(1, others)
