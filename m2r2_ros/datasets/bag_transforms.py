# SPDX-License-Identifier: Apache-2.0
"""Poses from the messages of /tf and /tf_static in a bag."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from m2r2_ros.datasets.bag_storage import BagMessage
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.datasets.transform_input import is_transform, static_topic, transform_pose
from m2r2_ros.messages.signals import Stamped
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits


class BagTransforms:
    """The sensors of a layout that are taken from transforms; a bag may have none of them."""

    def __init__(
        self,
        chosen: Mapping[str, str],
        topics: TopicMap,
        layout: SensorLayout,
        limits: SensingLimits,
    ) -> None:
        """`chosen`: sensor -> topic. Raises M2R2Error for an entry of `topics` that cannot be."""
        self._topics = {name: topic for name, topic in chosen.items() if is_transform(topics, name)}
        self._poses = {name: transform_pose(topics, layout, name, limits) for name in self._topics}

    @property
    def names(self) -> Collection[str]:
        """The sensors."""
        return self._topics.keys()

    @property
    def topics(self) -> set[str]:
        """All topics that they need."""
        return {one for topic in self._topics.values() for one in (topic, static_topic(topic))}

    def decode(self, block: Sequence[BagMessage]) -> dict[str, Stamped]:
        """Sensor -> stamps int64 (n,) and poses float64 (n, 7) that a block of the bag gives."""
        return {
            name: self._poses[name].add(_of(static_topic(topic), block), _of(topic, block))
            for name, topic in self._topics.items()
        }

    def problems(self) -> list[str]:
        """One line for each thing that is missing or odd."""
        lines = []
        for name, pose in self._poses.items():
            topic = self._topics[name]
            said = [pose.problem, pose.notice]
            said += [f"{pose.malformed} messages or transforms cannot be read"] * bool(
                pose.malformed
            )
            said += [f"{pose.lost} messages came long before the path was complete"] * bool(
                pose.lost
            )
            lines += [f"'{name}' from {topic}: {line}" for line in said if line]
        return lines


def _of(topic: str, block: Sequence[BagMessage]) -> list[bytes]:
    return [message.data for message in block if message.topic == topic]
