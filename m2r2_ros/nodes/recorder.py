# SPDX-License-Identifier: Apache-2.0
"""Messages of chosen topics as they are published, serialised, for a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from m2r2_ros.datasets.bag_description import RecordedTopic
from m2r2_ros.datasets.bag_qos import OfferedQos
from m2r2_ros.datasets.take import Received
from m2r2_ros.diagnosis.message_content import has_stamp
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.camera import CAMERA_TYPES
from m2r2_ros.messages.cdr import MessageError, stamp_ns
from m2r2_ros.messages.transforms import TRANSFORMS, first_transform_ns
from m2r2_ros.nodes.message_definitions import installed_fields
from m2r2_ros.nodes.recorded_types import stored_text
from m2r2_ros.nodes.topic_input import TopicInput
from m2r2_ros.sensing.memory_budget import MEGABYTE

# Two seconds of a camera and of anything else, while the machine is busy.
_CAMERA_DEPTH, _DEPTH = 60, 4000
_MOST_BYTES = 512 * MEGABYTE


@dataclass
class _Followed:
    """`input`: None until somebody publishes, who shows how deep its queue has to be."""

    input: TopicInput | None = None
    recorded: RecordedTopic | None = None
    read_stamp: Callable[[bytes], int] | None = None


class TopicRecorder:
    """Follows topics as they are offered, from before their publishers are there.

    `take` brings what has come; `problems` says which topics bring nothing, and why.
    """

    def __init__(self, node: Node, topics: Iterable[str], may_lack: Iterable[str] = ()) -> None:
        """Of the topics in `may_lack` nothing is said while nobody publishes them."""
        self._node = node
        self._quiet = set(may_lack)
        self._topics = {name: _Followed() for name in (*topics, *may_lack)}

    def follow(self) -> None:
        """Subscribe to what is new, or offered otherwise. Call it a few times a second."""
        for name, each in self._topics.items():
            each.input = each.input or self._input(name)
            if each.input is None:
                continue
            each.input.follow()
            kind = each.input.type_name
            if kind and (each.recorded is None or each.recorded.type_name != kind):
                each.recorded = self._describe(name, kind)
                each.read_stamp = _stamp_reader(kind)

    def take(self, until_ns: int) -> list[Received]:
        """What had come by then, in order of arrival."""
        found: list[Received] = []
        for each in self._topics.values():
            if each.input is not None and each.recorded is not None:
                messages, arrivals = each.input.take_with_arrivals(until_ns)
                found += [
                    Received(each.recorded, arrival, self._stamp(each, data), data)
                    for data, arrival in zip(messages, arrivals, strict=True)
                ]
        found.sort(key=lambda message: message.arrival_ns)
        return found

    @property
    def problems(self) -> dict[str, str]:
        """Topic -> why nothing can come."""
        found = {
            name: each.input.problem if each.input else f"no publisher on {name}"
            for name, each in self._topics.items()
        }
        return {name: why for name, why in found.items() if why and name not in self._quiet}

    @property
    def lost(self) -> dict[str, int]:
        """Messages that were missing by their publishers' own numbers, of topics that lost any."""
        inputs = {name: each.input for name, each in self._topics.items() if each.input}
        return {name: each.lost for name, each in inputs.items() if each.lost}

    def close(self) -> None:
        for each in self._topics.values():
            if each.input is not None:
                each.input.close()

    def _input(self, name: str) -> TopicInput | None:
        publishers = self._publishers(name)
        if not publishers:
            return None
        depth = _CAMERA_DEPTH if publishers[0].topic_type in CAMERA_TYPES else _DEPTH
        given = self._node, name, lambda type_name: None, depth
        return TopicInput(*given, max_bytes=_MOST_BYTES, keeps_last=True)

    def _describe(self, name: str, type_name: str) -> RecordedTopic:
        publishers = self._publishers(name)
        profiles = [publisher.qos_profile for publisher in publishers]
        kept, hashes = (
            DurabilityPolicy.TRANSIENT_LOCAL,
            [str(p.topic_type_hash) for p in publishers],
        )
        qos = OfferedQos(
            max((profile.depth for profile in profiles), default=0),
            any(profile.reliability == ReliabilityPolicy.BEST_EFFORT for profile in profiles),
            bool(profiles) and all(profile.durability == kept for profile in profiles),
        )
        definition = ""
        with suppress(M2R2Error):
            definition = stored_text(type_name)
        return RecordedTopic(name, type_name, qos, definition, hashes[0] if hashes else "")

    def _publishers(self, name: str) -> list[TopicEndpointInfo]:
        name = self._node.resolve_topic_name(name, only_expand=True)
        return self._node.get_publishers_info_by_topic(name)

    def _stamp(self, each: _Followed, data: bytes) -> int | None:
        with suppress(MessageError):
            return each.read_stamp(data) if each.read_stamp else None
        return None


def _stamp_reader(type_name: str) -> Callable[[bytes], int] | None:
    if type_name == TRANSFORMS:
        return first_transform_ns
    return stamp_ns if has_stamp(type_name, installed_fields) else None
