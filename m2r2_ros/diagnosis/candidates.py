# SPDX-License-Identifier: Apache-2.0
"""Which topics can serve a sensor, the likeliest first: by type, by content, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from m2r2_ros.datasets.sensor_input import SensorInput, is_topic_name
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.diagnosis.names import (
    AT_TOOL,
    AVOIDED,
    WORDS,
    best_frame,
    finger_joints,
    other_joints,
    words_of,
)
from m2r2_ros.diagnosis.topic_survey import TopicSurvey
from m2r2_ros.diagnosis.trial import Surveys, why_unusable
from m2r2_ros.messages.camera import CAMERA_TYPES
from m2r2_ros.messages.images import COMPRESSED_IMAGE
from m2r2_ros.messages.signals import of_any_package
from m2r2_ros.messages.transforms import TRANSFORMS
from m2r2_ros.messages.types import accepted_types
from m2r2_ros.messages.video_packets import VIDEO_TYPES
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.signal_presets import JOINTS, NAMED_STATES, STAMPED_ARRAYS

_TREE, _STATIC_TREE = "/tf", "/tf_static"
# More joints are a hand: which of them is its width is not known.
_FINGERS = 2


@dataclass(frozen=True)
class TopicCandidate:
    """A topic for a sensor, with what the robot file has to say.

    fit        points of its name and its content.
    problem    why its messages cannot be read as the sensor's, "" where they can.
    """

    said: SensorInput
    fit: float
    problem: str = ""

    @property
    def is_usable(self) -> bool:
        return not self.problem

    @property
    def topic(self) -> str:
        return self.said.topic


def candidates(layout: SensorLayout, sensor: str, surveys: Surveys) -> list[TopicCandidate]:
    """Topics whose type can carry `sensor`, the likeliest first. A pose may be in /tf."""
    found = []
    for survey in surveys.values():
        if not is_topic_name(survey.name):
            continue
        for said in _entries(layout, sensor, survey, surveys):
            topics = TopicMap({sensor: said.topic}, (), "", {sensor: said})
            problem = why_unusable(layout, topics, sensor, surveys)
            fit = _fit(layout, sensor, survey, said)
            found.append(TopicCandidate(said, fit, problem))
    return sorted(found, key=lambda each: (not each.is_usable, -each.fit, each.topic))


def choose(layout: SensorLayout, surveys: Surveys) -> dict[str, list[TopicCandidate]]:
    """Sensor -> its candidates, the chosen one first; no two cameras have one topic.

    What no topic is called like is given what is left. Two signals have the same numbers only where
    there are no others.
    """
    ranked = {name: candidates(layout, name, surveys) for name in layout.sensed}
    signals = filter(layout.signals.get, layout.sensed)
    given: set[SensorInput] = set()
    for name in sorted(signals, key=lambda name: not _fits(layout, name, ranked[name])):
        ranked[name].sort(key=lambda each: (not each.is_usable, each.said in given))
        given |= {each.said for each in ranked[name][:1] if each.is_usable}
    taken: set[str] = set()
    cameras = sorted(layout.cameras, key=lambda name: _named(name, ranked[name]), reverse=True)
    for name in cameras:
        ranked[name] = [each for each in ranked[name] if _picture(each.topic) not in taken]
        taken |= {_picture(each.topic) for each in ranked[name][:1] if each.is_usable}
    return ranked


def is_named(sensor: str, topic: str) -> bool:
    """Whether a topic is called like the sensor, or by one of its words."""
    return bool(words_of(sensor) & words_of(topic))


def _named(sensor: str, found: list[TopicCandidate]) -> bool:
    return any(is_named(sensor, each.topic) for each in found)


def _fits(layout: SensorLayout, name: str, found: list[TopicCandidate]) -> bool:
    """Whether a topic is called like a signal, or like its kind."""
    kind = set(WORDS.get(layout.signals[name].preset, ()))
    return any(is_named(name, each.topic) or kind & words_of(each.topic) for each in found)


def _picture(topic: str) -> str:
    """What raw and compressed pictures of one camera have in common."""
    return topic.removesuffix("/compressed")


def _entries(
    layout: SensorLayout, sensor: str, survey: TopicSurvey, surveys: Surveys
) -> Iterator[SensorInput]:
    """What a robot file could say of `sensor` on this topic."""
    signal = layout.signals.get(sensor)
    kind, topic = survey.type_name, survey.name
    if signal is not None and signal.preset == "pose" and topic == _TREE and kind == TRANSFORMS:
        yield from _transform(survey, surveys)
    accepted = accepted_types(layout, sensor)
    if not {kind, of_any_package(kind)}.intersection(accepted):
        return
    if signal is None:
        yield SensorInput(topic)
        return
    frame = survey.content.frame
    if kind not in (JOINTS, NAMED_STATES):
        # What has no width of its own: so that the robot file says it.
        is_array = of_any_package(kind) in STAMPED_ARRAYS and not signal.kind.width
        fields = (f"data[0:{signal.width}]",) if is_array else ()
        yield SensorInput(topic, frame=frame, fields=fields)
        return
    paths = _joint_paths(kind, signal.kind.joint_field, signal.kind.sums_joints, survey)
    is_named = signal.kind.sums_joints or signal.columns == tuple(map(str, range(signal.width)))
    if paths:
        yield SensorInput(topic, fields=paths if is_named else ())


def _joint_paths(
    kind: str, joint_field: str, is_gripper: bool, survey: TopicSurvey
) -> tuple[str, ...]:
    """Field paths of the joints that a gripper has, or all others."""
    joints = survey.content.joints
    chosen = finger_joints(joints) if is_gripper else other_joints(joints)
    if is_gripper and not chosen and words_of(survey.name) & set(WORDS["gripper"]):
        # A driver of the gripper alone, whatever it calls its joints.
        chosen = joints if len(joints) <= _FINGERS else ()
    if kind == NAMED_STATES:
        return tuple(f"interface_values[{name}].values[{joint_field}]" for name in chosen)
    return tuple(f"{joint_field}[{name}]" for name in chosen)


def _transform(survey: TopicSurvey, surveys: Surveys) -> Iterator[SensorInput]:
    """The pose of the likeliest end effector in what the arm stands on."""
    static = surveys.get(_STATIC_TREE)
    moving = _parents([survey])
    parents = _parents([static] if static else []) | moving
    tips = [child for child in parents if moving.keys() & {child, *_above(child, parents)}]
    tip = best_frame(tips, is_tip=True)
    above = _above(tip, parents)
    root = best_frame(above, is_tip=False) or (above[-1] if above else "")
    if tip and root:
        yield SensorInput(survey.name, frame=root, child_frame=tip)


def _parents(trees: Iterable[TopicSurvey]) -> dict[str, str]:
    edges = (edge for tree in trees for content in tree.contents for edge in content.edges)
    return {child: parent for parent, child in edges}


def _above(frame: str, parents: dict[str, str]) -> list[str]:
    """Frames on the way to the root."""
    way: list[str] = []
    while frame in parents and parents[frame] not in way:
        frame = parents[frame]
        way.append(frame)
    return way


def _fit(layout: SensorLayout, sensor: str, survey: TopicSurvey, said: SensorInput) -> float:
    """Points: the sensor's own words weigh most, then those of its kind, then its type."""
    words, own = words_of(survey.name), words_of(sensor)
    signal = layout.signals.get(sensor)
    kind = set(WORDS.get(signal.preset if signal else "", ()))
    points = 4.0 * len((own - kind) & words) + 2.0 * bool((kind | own) & words)
    points -= 3.0 * bool((AVOIDED - own) & words)
    if sensor == AUDIO:
        points += 0.5 * bool(AT_TOOL & words)
    if survey.type_name in CAMERA_TYPES:
        # Video masks all from a lost packet to the next key frame.
        points -= 0.5 * (survey.type_name in VIDEO_TYPES)
        return points + 0.5 * (survey.type_name == COMPRESSED_IMAGE)
    points += 1.0 * (survey.type_name in accepted_types(layout, sensor)[:1])
    if said.fields and signal is not None and signal.kind.sums_joints:
        # A driver of the gripper alone knows it best.
        points += 1.0 * (len(other_joints(survey.content.joints)) == 0)
    return points
