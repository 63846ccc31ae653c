# SPDX-License-Identifier: Apache-2.0
"""The topics of the live graph, listened to for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from m2r2_ros.diagnosis.topic_survey import TopicSurvey
from m2r2_ros.nodes.message_definitions import installed_fields
from m2r2_ros.nodes.own_node import own_node
from m2r2_ros.nodes.topic_input import TopicInput
from m2r2_ros.sensing.memory_budget import MEGABYTE

# Of ROS itself; every node publishes them.
_NOT_SENSORS = ("/rosout", "/parameter_events")
_DEPTH, _MOST_BYTES = 5000, 128 * MEGABYTE
_LOOK_S, _TAKE_S = 0.25, 0.01


def survey_graph(
    seconds: float, progress: Callable[[float], None] = lambda elapsed_s: None
) -> dict[str, TopicSurvey]:
    """Topic -> what was seen of it within `seconds`; `progress` is told the time passed.

    They count from the first topic on: a busy machine or network finds it late. Without any they
    pass twice.
    """
    with own_node("m2r2_doctor", has_parameters=False) as node:
        survey = _GraphSurvey(node)
        patience = time.monotonic() + seconds
        while not survey.look() and time.monotonic() < patience:
            time.sleep(_TAKE_S)
        began = looked = time.monotonic()
        while (elapsed_s := time.monotonic() - began) < seconds:
            if time.monotonic() - looked >= _LOOK_S:
                looked = time.monotonic()
                survey.look()
                progress(elapsed_s)
            survey.take()
            time.sleep(_TAKE_S)
        return survey.close()


class _GraphSurvey:
    """Subscribes to every topic that has a publisher, as it is offered."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._inputs: dict[str, TopicInput] = {}
        self._surveys: dict[str, TopicSurvey] = {}

    def look(self) -> bool:
        """Find new topics; follow what the publishers of the others offer. Are there any?"""
        for name, types in self._node.get_topic_names_and_types():
            publishers = self._node.get_publishers_info_by_topic(name)
            if name in _NOT_SENSORS or "/_" in name or not publishers:
                continue
            if name not in self._surveys:
                self._inputs[name] = TopicInput(
                    self._node, name, _any_type, _DEPTH, None, _MOST_BYTES, keeps_last=True
                )
                kind = publishers[0].topic_type
                self._surveys[name] = TopicSurvey(name, kind, installed_fields)
            survey = self._surveys[name]
            survey.types = tuple(sorted({*survey.types, *types}))
            survey.publishers, survey.qos = len(publishers), _qos(publishers)
            self._inputs[name].follow()
        return bool(self._surveys)

    def take(self) -> None:
        for name, topic in self._inputs.items():
            messages, arrivals = topic.take_with_arrivals()
            for arrival_ns, message in zip(arrivals, messages, strict=True):
                self._surveys[name].add(arrival_ns, message)

    def close(self) -> dict[str, TopicSurvey]:
        """Unsubscribe; what was seen, by name."""
        for name, topic in self._inputs.items():
            self._surveys[name].lost = topic.lost
            self._surveys[name].problem = topic.problem.removeprefix(f"{name}: ")
            topic.close()
        return dict(sorted(self._surveys.items()))


def _any_type(type_name: str) -> None:
    """For a TopicInput that takes whatever comes."""


def _qos(publishers: list[TopicEndpointInfo]) -> str:
    """What the weakest of the publishers offers, in words."""
    profiles = [publisher.qos_profile for publisher in publishers]
    is_reliable = all(each.reliability == ReliabilityPolicy.RELIABLE for each in profiles)
    kept = all(each.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in profiles)
    words = ["reliable" if is_reliable else "best effort", "kept" if kept else ""]
    return ", ".join(filter(None, words))
