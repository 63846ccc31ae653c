# SPDX-License-Identifier: Apache-2.0
"""From a topic's waiting messages to the window builder, one class a kind of sensor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from rclpy.node import Node

from m2r2_ros.datasets.input_types import (
    check_entries,
    check_input,
    is_depth,
    microphone_info,
    signal_reading,
)
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.datasets.transform_input import is_transform, transform_pose
from m2r2_ros.errors import printable
from m2r2_ros.messages.camera import CameraDecoder
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.common_audio import AudioDecoder, is_stamped_sound
from m2r2_ros.messages.reading import Reading
from m2r2_ros.messages.signals import decode_batch, why_unreadable, with_joints
from m2r2_ros.nodes.audio_input import AudioInput
from m2r2_ros.nodes.camera_sync import CameraPairs
from m2r2_ros.nodes.message_definitions import installed_fields
from m2r2_ros.nodes.stream_signature import StreamSignature
from m2r2_ros.nodes.topic_input import TopicInput
from m2r2_ros.nodes.transform_source import TransformInput, TransformSource
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

# Whose clock a sensor's samples have.
HEADER, ARRIVAL = "header", "arrival"

# Raises M2R2Error on a message type that cannot carry the modality.
CheckType = Callable[[str], None]


class Source(Protocol):
    """Reads one modality's topic into the builder."""

    name: str
    input: TopicInput
    # Messages that could not be read, and why the last of them could not.
    malformed: int
    unread: str
    signature: StreamSignature
    # HEADER or ARRIVAL.
    stamps: str

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        """Take all that had come by `until_ns` and add it."""

    def close(self) -> None:
        """Unsubscribe; what comes later does not continue what came before."""


class CameraSource:
    """Pictures are decoded only when a window uses them, packets of a video at once."""

    stamps = HEADER

    def __init__(
        self,
        node: Node,
        name: str,
        topic: str,
        check: CheckType,
        on_arrival: Callable[[bytes], None] | None,
        pairs: CameraPairs | None,
        max_bytes: float,
        is_depth: bool = False,
    ) -> None:
        """With `on_arrival` it is the reference camera; with `pairs` the others wait for it."""
        self.name = name
        self._decoder = CameraDecoder(is_depth)
        self.malformed, self.unread = 0, ""
        self.signature = StreamSignature()
        self.input = TopicInput(node, topic, check, _CAMERA_DEPTH, on_arrival, max_bytes)
        self._pairs = pairs
        self._is_held = on_arrival is not None or pairs is None

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        for message in self.input.take(until_ns):
            try:
                stamp_ns, picture = self._decoder.decode(self.input.type_name, message)
            except MessageError as error:
                self.malformed += 1
                self.unread = str(error)
                builder.explain(self.name, self.unread)
                continue
            self.unread = ""
            self.signature.note(self.input.type_name, message)
            if self._is_held:
                builder.add_image(self.name, stamp_ns, picture)
            if self._pairs is not None:
                self._pair(builder, stamp_ns, picture)

    def close(self) -> None:
        self.input.close()
        self._decoder.forget()

    def _pair(self, builder: WindowBuilder, stamp_ns: int, picture: Picture) -> None:
        """What waits for its other half is small, as what waits in the builder."""
        fitted = builder.fitted(self.name, picture)
        if fitted is not None:
            self._pairs.add(self.name, stamp_ns, fitted)


class AudioSource:
    """Chunks of samples of any length, rate and number of channels."""

    def __init__(
        self,
        node: Node,
        topic: str,
        info: str,
        check: CheckType,
        limits: SensingLimits,
        max_bytes: float,
    ) -> None:
        """`info`: the topic that says what bytes of sound are."""
        self.name = AUDIO
        self.malformed, self.unread = 0, ""
        self.signature = StreamSignature()
        depth = round(limits.buffer_s / _SHORTEST_AUDIO_CHUNK_S)
        self.input = AudioInput(node, topic, info, check, depth, max_bytes=max_bytes)
        self._arrivals = _Arrivals(node, self.name, is_stamped_sound)
        self._decoder = AudioDecoder(installed_fields)

    @property
    def stamps(self) -> str:
        """Whose clock the samples have."""
        return self._arrivals.stamps(self.input.type_name)

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        messages, arrivals = self._arrivals.take(self.input, until_ns)
        self.input.take_info(self._decoder.note_info)
        type_name = self.input.type_name
        for message, arrival_ns in zip(messages, arrivals, strict=True):
            try:
                sounds = self._decoder.decode(type_name, message, arrival_ns)
            except MessageError as error:
                self.malformed += 1
                self.unread = str(error)
                builder.explain(self.name, self.unread)
            else:
                self.unread = ""
                for sound in sounds:
                    builder.add_audio(*sound)
        if messages and self.stamps == HEADER:
            self.signature.note(type_name, messages[-1])

    def close(self) -> None:
        self.input.close()
        self._decoder.forget()


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
        self.malformed, self.unread = 0, ""
        self.signature = StreamSignature()
        self._reading = reading
        self._arrivals = _Arrivals(node, name, reading.is_stamped)
        depth = round(limits.buffer_s * limits.max_signal_rate_hz)
        self.input = TopicInput(node, topic, check, depth, max_bytes=max_bytes)

    @property
    def stamps(self) -> str:
        """Whose clock the samples have."""
        return self._arrivals.stamps(self.input.type_name)

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        type_name = self.input.type_name
        messages, arrivals = self._arrivals.take(self.input, until_ns)
        if not messages:
            return
        self._reading = with_joints(self._reading, type_name, messages)
        stamps, values = decode_batch(type_name, messages, self._reading, arrivals)
        builder.add_signal(self.name, stamps, values)
        self.unread = ""
        if len(stamps) < len(messages):
            self.malformed += len(messages) - len(stamps)
            self.unread = self._why_unread(type_name, messages)
        if not len(stamps):
            builder.explain(self.name, self.unread)
        if self.stamps == HEADER:
            # One a batch: at a kilohertz there is no time to check each.
            self.signature.note(type_name, messages[-1])

    def _why_unread(self, type_name: str, messages: Sequence[bytes]) -> str:
        """Of the last one that cannot be read."""
        whys = (why_unreadable(type_name, message, self._reading) for message in messages[::-1])
        return next(filter(None, whys), "")

    def close(self) -> None:
        self.input.close()


class _Arrivals:
    """Whether one sensor's messages have stamps, and when those without have come."""

    def __init__(self, node: Node, name: str, is_stamped: Callable[[str], bool]) -> None:
        self._node, self._name, self._is_stamped = node, name, is_stamped
        self._stamped: dict[str, bool] = {}

    def stamps(self, type_name: str) -> str:
        """HEADER or ARRIVAL."""
        return HEADER if self._stamped.get(type_name, True) else ARRIVAL

    def take(self, topic: TopicInput, until_ns: int | None) -> tuple[list[bytes], list[int]]:
        """Messages, and when each came in the node's time: 0 where stamps count."""
        type_name = topic.type_name
        if type_name and type_name not in self._stamped:
            self._stamped[type_name] = self._is_stamped(type_name)
            if not self._stamped[type_name]:
                line = f"{self._name}: {type_name} has no stamp, the time of arrival is taken"
                self._node.get_logger().info(printable(line))
        if self.stamps(type_name) == HEADER:
            messages = topic.take(until_ns)
            return messages, [0] * len(messages)
        messages, arrivals = topic.take_with_arrivals(until_ns)
        clock = self._node.get_clock()
        if clock.ros_time_is_active:
            shift_ns = clock.now().nanoseconds - time.time_ns()
            arrivals = [arrival + shift_ns for arrival in arrivals]
        return messages, arrivals


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
    Raises M2R2Error when the robot has none, or its file cannot be right.
    """
    check_entries(topics, layout, installed_fields)
    sources: list[Source] = []
    of_camera, of_other = _shares(layout, limits)
    for name, topic in topics.served(layout.sensed).items():
        check = partial(check_input, topics, installed_fields, layout, name)
        if name in layout.cameras:
            on_arrival = on_reference_frame if name == topics.reference_camera else None
            options = (on_arrival, pairs, of_camera, is_depth(topics, name))
            sources.append(CameraSource(node, name, topic, check, *options))
        elif name == AUDIO:
            info = microphone_info(topics, node.resolve_topic_name(topic, only_expand=True))
            sources.append(AudioSource(node, topic, info, check, limits, of_other))
        elif is_transform(topics, name):
            pose = transform_pose(topics, layout, name, limits)
            tree = TransformInput(node, topic, check, limits, of_other)
            sources.append(TransformSource(name, pose, tree))
        else:
            reading = signal_reading(topics, layout.signals[name], installed_fields)
            source = SignalSource(node, name, topic, check, limits, reading, of_other)
            sources.append(source)
        if not topics.input(name).child_frame:
            sources[-1].signature = StreamSignature(topics.input(name).frame)
    return sources


def _shares(layout: SensorLayout, limits: SensingLimits) -> tuple[float, float]:
    """Bytes that the waiting messages of a camera may take, and those of another sensor."""
    queues = _QUEUES * limits.buffer_mb * MEGABYTE
    cameras = len(layout.cameras)
    others = len(layout.modalities) - cameras
    part = _OF_CAMERAS if cameras else 0.0
    return part * queues / max(1, cameras), (1 - part) * queues / max(1, others)
