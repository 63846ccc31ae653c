# SPDX-License-Identifier: Apache-2.0
"""Sensors and results of the live graph for a viewer: subscribed to while somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rclpy.node import Node
from std_msgs.msg import String

from m2r2_ros.datasets.recording_source import SensorBatch
from m2r2_ros.datasets.result_messages import (
    DIAGNOSTICS,
    PREDICTION,
    ClassPrediction,
    NodeStatus,
    read_diagnostics,
    read_event,
    read_prediction,
)
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import SegmentEvent
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.encode import ACTION_SEGMENT
from m2r2_ros.nodes.own_node import own_node
from m2r2_ros.nodes.sources import make_sources
from m2r2_ros.nodes.topic_input import TopicInput
from m2r2_ros.nodes.topics import (
    DIAGNOSTICS_TOPIC,
    PREDICTION_TOPIC,
    SEGMENT_TOPIC,
    TEXT_TOPIC,
    segment_qos,
)
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

SEGMENTS, PREDICTIONS, STATUSES = "segments", "predictions", "statuses"
# Topic, type, what reads a message, and whether its last one is kept for those who come later.
_RESULTS: dict[str, tuple[str, str, Callable[[bytes], Any], bool]] = {
    SEGMENTS: (SEGMENT_TOPIC, ACTION_SEGMENT, read_event, True),
    PREDICTIONS: (PREDICTION_TOPIC, PREDICTION, read_prediction, False),
    STATUSES: (DIAGNOSTICS_TOPIC, DIAGNOSTICS, read_diagnostics, False),
}
_DEPTH = 1000


@dataclass
class GraphNews:
    """What has come: sensors, and results each with its time of arrival [ns].

    A segment that was published before anybody looked has no time of arrival.
    """

    sensors: SensorBatch = field(default_factory=SensorBatch)
    segments: list[tuple[SegmentEvent, int | None]] = field(default_factory=list)
    predictions: list[tuple[ClassPrediction, int]] = field(default_factory=list)
    statuses: list[tuple[tuple[int, list[NodeStatus]], int]] = field(default_factory=list)


class ViewInputs:
    """`unread`: why messages of a sensor or result cannot be read: the first, by its name."""

    def __init__(
        self, node: Node, layout: SensorLayout, topics: TopicMap, limits: SensingLimits
    ) -> None:
        """Raises M2R2Error when the robot has none of the layout's sensors."""
        self._node = node
        # Without a reference camera no executor is needed: all is taken when it is asked for.
        unled = replace(topics, reference_camera="")
        made = make_sources(node, layout, unled, limits, _nothing, None)
        self._sources = {source.name: source for source in made}
        self._results = {
            name: TopicInput(node, topic, _only(kind), _DEPTH, keeps_last=keeps)
            for name, (topic, kind, _, keeps) in _RESULTS.items()
        }
        self._is_first: set[str] = set()
        self._text = node.create_publisher(String, TEXT_TOPIC, segment_qos())
        self.unread: dict[str, str] = {}

    def follow(self, wanted: Collection[str]) -> None:
        """Subscribe to what is wanted of sensors and results, and to nothing else.

        Call it a few times a second.
        """
        inputs = {name: source.input for name, source in self._sources.items()} | self._results
        for name, topic in inputs.items():
            if name in wanted:
                if topic.follow() and name in self._results:
                    self._is_first.add(name)
            elif topic.type_name:
                self._sources[name].close() if name in self._sources else topic.close()

    @property
    def problems(self) -> dict[str, str]:
        """Why nothing comes, by the name of a sensor or result that is wanted."""
        inputs = {name: source.input for name, source in self._sources.items()} | self._results
        return {name: topic.problem for name, topic in inputs.items() if topic.problem}

    def take(self) -> GraphNews:
        """What has come of all that is subscribed to."""
        news, gathered = GraphNews(), _Gathered(self.unread)
        for source in self._sources.values():
            if source.input.type_name:
                source.feed(gathered, None)
        news.sensors = gathered.batch()
        for name, topic in self._results.items():
            self._take_results(name, topic, getattr(news, name))
        return news

    @property
    def text_is_read(self) -> bool:
        """Whether somebody has subscribed to the line of text."""
        return self._text.get_subscription_count() > 0

    def publish_text(self, text: str) -> None:
        """What goes on now, for RViz."""
        self._text.publish(String(data=text))

    def close(self) -> None:
        self.follow(())

    def _take_results(self, name: str, topic: TopicInput, found: list[tuple[Any, Any]]) -> None:
        if not topic.type_name:
            return
        read, is_kept = _RESULTS[name][2:]
        for message, arrival_ns in zip(*topic.take_with_arrivals(), strict=True):
            # The first one may be older than the subscription: its arrival says nothing.
            is_old = is_kept and name in self._is_first
            self._is_first.discard(name)
            try:
                found.append((read(message), None if is_old else arrival_ns))
            except MessageError as error:
                self.unread.setdefault(name, str(error))


class _Gathered:
    """Stands where sources put their samples, in place of a window builder."""

    def __init__(self, unread: dict[str, str]) -> None:
        self._unread = unread
        self._batch = SensorBatch()
        self._signals: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}

    def add_image(self, name: str, stamp_ns: int, picture: Any) -> None:
        self._batch.images.append((name, stamp_ns, picture))

    def add_signal(self, name: str, stamps: np.ndarray, values: np.ndarray) -> None:
        self._signals.setdefault(name, []).append((stamps, values))

    def add_audio(self, stamp_ns: int, samples: np.ndarray, rate_hz: int) -> None:
        """Nobody sees sound."""

    def explain(self, name: str, reason: str) -> None:
        self._unread.setdefault(name, reason)

    remark = explain

    def batch(self) -> SensorBatch:
        for name, parts in self._signals.items():
            stamps, values = zip(*parts, strict=True)
            self._batch.signals[name] = np.concatenate(stamps), np.concatenate(values)
        return self._batch


def viewing_node(namespace: str) -> AbstractContextManager[Node]:
    """A node in the robot's namespace. Raises M2R2Error."""
    return own_node("viewer", namespace, has_parameters=False)


def _only(kind: str) -> Callable[[str], None]:
    def check(type_name: str) -> None:
        if type_name != kind:
            raise M2R2Error(f"is {type_name}, not {kind}")

    return check


def _nothing(message: bytes) -> None:
    """No frame leads here."""
