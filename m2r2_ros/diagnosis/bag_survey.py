# SPDX-License-Identifier: Apache-2.0
"""The topics of a bag, from its first seconds."""

from __future__ import annotations

from m2r2_ros.datasets.bag_reader import Bag, BagTopic
from m2r2_ros.datasets.sensor_input import is_topic_name
from m2r2_ros.diagnosis.topic_survey import TopicSurvey


def survey_bag(bag: Bag, seconds: float) -> dict[str, TopicSurvey]:
    """Topic -> what is seen of it; of one that begins later, its first message.

    Raises M2R2Error.
    """
    surveys = {
        name: TopicSurvey(
            name, topic.type_name, bag.definitions, _qos(topic), problem=_name_problem(name)
        )
        for name, topic in sorted(bag.topics.items())
    }
    end_ns = bag.start_ns + seconds * 1e9
    for message in bag.messages():
        if message.log_ns > end_ns:
            _add_later(surveys, bag)
            break
        surveys[message.topic].add(message.log_ns, message.data)
    return surveys


def _add_later(surveys: dict[str, TopicSurvey], bag: Bag) -> None:
    """The first message of each topic that has had none."""
    for name, survey in surveys.items():
        if not survey.count and bag.topics[name].count:
            first = next(iter(bag.messages([name])), None)
            if first is not None:
                survey.add(first.log_ns, first.data)


def _name_problem(name: str) -> str:
    """Other recorders than ROS 2's call topics as they like."""
    if is_topic_name(name):
        return ""
    return "no topic of ROS 2 can be called so: write the bag anew with another name"


def _qos(topic: BagTopic) -> str:
    reliability = "best effort" if topic.qos.best_effort else "reliable"
    return f"{reliability}, kept" if topic.qos.transient_local else reliability
