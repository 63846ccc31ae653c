# SPDX-License-Identifier: Apache-2.0
"""A layout of the sensors that are there, where no encoder says which are wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.diagnosis.candidates import candidates
from m2r2_ros.diagnosis.names import WORDS, other_joints, words_of
from m2r2_ros.diagnosis.topic_survey import TopicSurvey
from m2r2_ros.diagnosis.trial import Surveys
from m2r2_ros.messages.camera import CAMERA_TYPES
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.common_audio import AUDIO_TYPES
from m2r2_ros.messages.field_path import FieldPath, parse_path
from m2r2_ros.messages.field_walk import find
from m2r2_ros.messages.signals import of_any_package
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.signal_presets import JOINTS, NAMED_STATES, PRESETS, STAMPED_ARRAYS, preset_of

# Words of an image topic that do not tell which camera it is.
_OF_EVERY_CAMERA = re.compile(r"image\w*|colou?r|rgb|raw|compressed|rect\w*|camera_info")
_ARRAYS = ("*/msg/Float32MultiArray", "*/msg/Float64MultiArray")
# Kinds that are looked for; joints only where no pose says where the arm is.
_KINDS = ("wrench", "pose", "twist", "gripper", "imu", "tactile")
# Their types carry any numbers: a topic has to be called so.
_BY_NAME = ("tactile",)
_INSTEAD_OF_POSE = "joint_position"


def found_layout(surveys: Surveys) -> SensorLayout | None:
    """All that some topic can serve; None where nothing can be served."""
    cameras = _cameras(surveys)
    audio = any(survey.type_name in AUDIO_TYPES for survey in surveys.values())
    signals: dict[str, Any] = {}
    for kind in _KINDS:
        signals |= _served(kind, surveys)
    if not any(preset_of(name) == "pose" for name in signals):
        signals |= _served(_INSTEAD_OF_POSE, _of_joints(surveys))
    if not (cameras or audio or signals):
        return None
    return SensorLayout(tuple(cameras), audio, signals)


def layout_of_topics(topics: TopicMap, surveys: Surveys) -> SensorLayout:
    """The sensors that a robot file has topics for, each of the kind that its topic shows.

    Raises M2R2Error where they make no layout.
    """
    cameras, signals = [], {}
    for name, topic in topics.topics.items():
        survey = surveys.get(topic)
        is_picture = survey.type_name in CAMERA_TYPES if survey else not preset_of(name)
        if not topic or name == AUDIO:
            continue
        if is_picture:
            cameras.append(name)
        else:
            signals[name] = _entry(name, survey, topics.input(name).paths() if survey else ())
    return SensorLayout(tuple(cameras), bool(topics.topics.get(AUDIO)), signals)


def _cameras(surveys: Surveys) -> dict[str, str]:
    """Name -> topic of the colour cameras; raw and compressed pictures are one camera's."""
    found: dict[str, str] = {}
    for survey in surveys.values():
        if survey.type_name in CAMERA_TYPES:
            name = camera_name(survey.name)
            layout = SensorLayout((name,), False, ())
            only = {survey.name: survey}
            if any(each.is_usable for each in candidates(layout, name, only)):
                found.setdefault(name, survey.name)
    return found


def unusable_cameras(surveys: Surveys) -> dict[str, str]:
    """Topics of pictures or video that are no sensor of `found_layout`, and why."""
    layout, found = SensorLayout(("camera",), False, ()), {}
    for name, survey in surveys.items():
        if survey.type_name in CAMERA_TYPES and survey.count:
            for each in candidates(layout, "camera", {name: survey}):
                if each.problem:
                    found[name] = each.problem
    return found


def camera_name(topic: str) -> str:
    """A plain word for the camera of an image topic: "/arm/left/color/image_raw" is arm_left."""
    parts = [part for part in topic.split("/") if part and not _OF_EVERY_CAMERA.fullmatch(part)]
    name = re.sub(r"\W", "_", "_".join(parts)) or "camera"
    if preset_of(name):
        return f"{name}_camera"
    return name if name.isidentifier() and name != AUDIO else f"camera_{name}"


def _served(kind: str, surveys: Surveys) -> dict[str, Any]:
    """The entry of a signal that some topic can serve, or could with a word in the robot file."""
    if kind in _BY_NAME:
        surveys = {n: each for n, each in surveys.items() if words_of(n) & set(WORDS[kind])}
    entry = _width_entry(kind, surveys.values())
    if entry is None:
        return {}
    found = candidates(SensorLayout((), False, {kind: entry}), kind, surveys)
    arms = _arms([each.topic for each in found])
    names = [f"{arm}_{kind}" for arm in arms] or [kind] * bool(found)
    return dict.fromkeys(names, entry)


def _of_joints(surveys: Surveys) -> Surveys:
    """Without what is called otherwise: a pad's cells are published as joints, too."""
    words = {word for kind in _BY_NAME for word in WORDS[kind]}
    return {name: each for name, each in surveys.items() if not words_of(name) & words}


def _arms(topics: Sequence[str]) -> list[str]:
    """Namespaces of robots that are alike: left and right of /left/pose and /right/pose."""
    places: dict[str, list[str]] = {}
    for topic in topics:
        first, _, rest = topic.lstrip("/").partition("/")
        places.setdefault(rest, []).append(first)
    alike = [sorted(arms) for rest, arms in places.items() if rest and len(arms) > 1]
    return max(alike, key=len, default=[])


def _width_entry(kind: str, surveys: Iterable[TopicSurvey]) -> dict[str, int] | None:
    """{} where the kind has its width; None where no topic tells it."""
    if PRESETS[kind].width:
        return {}
    if kind == _INSTEAD_OF_POSE:
        counts = [len(other_joints(survey.content.joints)) for survey in surveys]
        return {"width": max(counts)} if max(counts, default=0) else None
    counts = [_numbers(survey, ()) for survey in surveys]
    return {"width": max(counts)} if max(counts, default=0) else None


def _entry(name: str, survey: TopicSurvey | None, paths: tuple[FieldPath, ...]) -> dict[str, Any]:
    kind = preset_of(name)
    if kind and PRESETS[kind].width:
        return {}
    return {"width": max(1, _numbers(survey, paths) if survey else 1)}


def _numbers(survey: TopicSurvey, paths: tuple[FieldPath, ...]) -> int:
    """How many numbers a message has at these paths, or where its type has them; 0 for none."""
    joints = survey.content.joints
    if not paths and survey.type_name in (JOINTS, NAMED_STATES):
        return len(joints)
    is_array = of_any_package(survey.type_name) in (*STAMPED_ARRAYS, *_ARRAYS)
    paths = paths or ((parse_path("data"),) if is_array else ())
    with suppress(MessageError):
        for message in survey.messages[:1] if paths else []:
            found = find(survey.type_name, paths, survey.definitions, message)
            return sum(run.count for runs in found.runs for run in runs)
    return 0
