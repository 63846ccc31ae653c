# SPDX-License-Identifier: Apache-2.0
"""Which topics a recording has to hold, so that offline commands find all that nodes take."""

from __future__ import annotations

from collections.abc import Iterable

from m2r2_ros.datasets.input_types import microphone_info
from m2r2_ros.datasets.sensor_input import is_topic_name
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.datasets.transform_input import is_transform, static_topic
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.sensing.layout import AUDIO


def recorded_topics(topics: TopicMap, more: Iterable[str] = ()) -> list[str]:
    """The robot file's topics, /tf_static where a pose is in /tf, and those named beside it.

    Raises M2R2Error on what is no topic's name.
    """
    found: list[str] = []
    for name, topic in topics.topics.items():
        if topic:
            found += [topic, static_topic(topic)] if is_transform(topics, name) else [topic]
    for topic in more:
        if not is_topic_name(topic):
            raise M2R2Error(f"--topics: {brief(topic)} is no topic name")
        found.append(topic)
    return list(dict.fromkeys(found))


def beside(topics: TopicMap) -> list[str]:
    """What is recorded where it is published: the form of a microphone's bytes."""
    microphone = topics.topics.get(AUDIO, "")
    return [microphone_info(topics, microphone)] if microphone else []
