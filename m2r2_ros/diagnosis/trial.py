# SPDX-License-Identifier: Apache-2.0
"""Whether a topic's messages give a sensor's values: they are read as the nodes read them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from m2r2_ros.datasets.input_types import (
    check_input,
    is_depth,
    microphone_info,
    other_frame,
    signal_reading,
)
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.datasets.transform_input import is_transform, static_topic, transform_pose
from m2r2_ros.diagnosis.topic_survey import ZERO, TopicSurvey
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.common_audio import AudioDecoder, needs_info
from m2r2_ros.messages.images import decode_image
from m2r2_ros.messages.signals import decode_batch, why_unreadable
from m2r2_ros.messages.video_packets import video_packet
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

Surveys = Mapping[str, TopicSurvey]


def why_unusable(
    layout: SensorLayout,
    topics: TopicMap,
    sensor: str,
    surveys: Surveys,
    limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
) -> str:
    """Why the sensor is masked if its topic goes on like this, "" when it is not."""
    topic = topics.topics[sensor]
    survey = surveys.get(topic)
    if survey is None:
        return f"no topic {topic}"
    try:
        check_input(topics, survey.definitions, layout, sensor, survey.type_name)
        if survey.problem:
            return survey.problem
        if not survey.count:
            return f"nothing has come on {topic}"
        if survey.clock == ZERO:
            return "stamps are zero: its driver does not fill header.stamp"
        _read(layout, topics, sensor, surveys, limits)
    except M2R2Error as error:
        return str(error)
    return ""


def frame_problem(topics: TopicMap, sensor: str, surveys: Surveys) -> str:
    """What is said of a sensor in another frame than the robot file expects."""
    said, survey = topics.input(sensor), surveys.get(topics.topics[sensor])
    if survey is None or not survey.contents or not said.frame or said.child_frame:
        return ""
    found = survey.content.frame
    return "" if found == said.frame else other_frame(found, said.frame)


def _read(
    layout: SensorLayout, topics: TopicMap, sensor: str, surveys: Surveys, limits: SensingLimits
) -> None:
    """Raises M2R2Error that says why no message can be read."""
    survey = surveys[topics.topics[sensor]]
    if sensor in layout.cameras:
        _read_picture(survey.type_name, survey.messages[-1], is_depth(topics, sensor))
    elif sensor == AUDIO:
        _read_sound(survey, surveys.get(microphone_info(topics, survey.name)))
    elif is_transform(topics, sensor):
        _read_transforms(layout, topics, sensor, surveys)
    else:
        _read_signal(layout, topics, sensor, survey, limits)


def _read_picture(type_name: str, message: bytes, is_depth: bool) -> None:
    """Whether a packet of video is whole, only those before it tell."""
    packet = video_packet(type_name, message)
    if packet is not None:
        packet.known_codec()
        return
    _, picture = decode_image(type_name, message, is_depth)
    picture()


def _read_sound(survey: TopicSurvey, beside: TopicSurvey | None) -> None:
    """`beside` says what its bytes are. A frame of mp3 may take several messages."""
    decoder = AudioDecoder(survey.definitions)
    if needs_info(survey.type_name):
        for message in beside.messages[-1:] if beside else []:
            decoder.note_info(message)
    sounds = [decoder.decode(survey.type_name, data, arrival) for arrival, data in survey.kept]
    if not any(sounds):
        raise MessageError("its messages hold no sound")


def _read_transforms(layout: SensorLayout, topics: TopicMap, sensor: str, surveys: Surveys) -> None:
    pose, topic = transform_pose(topics, layout, sensor), topics.topics[sensor]
    beside = surveys.get(static_topic(topic))
    stamps, _ = pose.add(beside.messages if beside else [], surveys[topic].messages)
    if pose.problem:
        raise MessageError(pose.problem)
    if not len(stamps):
        raise MessageError("no transform between its frames has come")


def _read_signal(
    layout: SensorLayout, topics: TopicMap, sensor: str, survey: TopicSurvey, limits: SensingLimits
) -> None:
    signal = layout.signals[sensor]
    reading = signal_reading(topics, signal, survey.definitions)
    arrivals: list[int] = []
    with suppress(MessageError):
        if not reading.is_stamped(survey.type_name):
            arrivals = [arrival for arrival, _ in survey.kept]
    _, values = decode_batch(survey.type_name, survey.messages, reading, arrivals)
    if not len(values):
        raise MessageError(why_unreadable(survey.type_name, survey.messages[-1], reading))
    low, high = limits.signal_range(signal)
    sound = (np.isfinite(values) & (values >= low) & (values <= high)).all(axis=1)
    if not sound.any():
        raise MessageError("values are NaN, infinite or beyond the limits")
