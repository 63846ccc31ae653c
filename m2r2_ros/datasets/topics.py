# SPDX-License-Identifier: Apache-2.0
"""Where a robot publishes its sensors, as its parameter file says it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS, FINGER_JOINTS, REFERENCE_CAMERA
from m2r2_ros.datasets.sensor_input import PREFIX, SensorInput, entries
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.sensing.derived_signals import Derived
from m2r2_ros.sensing.layout import AUDIO
from m2r2_ros.signal_presets import preset_of

GROUND_TRUTH_TOPIC = "/ground_truth/action_segment"
# Everything that is known about the actions, as one JSON text.
ANNOTATIONS_TOPIC = "/ground_truth/annotations"

_PREFIX = "topics."


@dataclass(frozen=True)
class TopicMap:
    """The inputs of a deployment; its fields are parameters of the nodes, under the same names.

    topics            modality -> topic: "audio", the signals of a sensor layout, and one entry a
                      camera, under the name that the layout gives it. A robot without a sensor
                      leaves its entry out, or empty.
    gripper_joints    joints whose positions add up to the gripper's width; all when empty.
    reference_camera  the camera whose first frame is time 0 of a segments file; empty on a robot
                      without cameras.
    """

    topics: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_TOPICS))
    gripper_joints: tuple[str, ...] = FINGER_JOINTS
    reference_camera: str = REFERENCE_CAMERA
    signals: Mapping[str, SensorInput] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.topics, Mapping) or not self.topics:
            raise M2R2Error("'topics' must map modalities to topics")
        for modality in self.signals:
            if modality not in self.topics:
                near = nearest_name(modality, self.topics)
                raise M2R2Error(f"{PREFIX}{modality} has no topic{near}")
        for modality in self.topics:
            self.input(modality).check(modality)
        if not _is_texts(self.gripper_joints):
            raise M2R2Error("'gripper_joints' must be a list of joint names")
        if self.reference_camera and not self.topics.get(self.reference_camera):
            raise M2R2Error(
                f"reference_camera '{self.reference_camera}' has no topic"
                f"{nearest_name(self.reference_camera, self.topics)}"
            )

    def input(self, modality: str) -> SensorInput:
        """All that is said of a modality."""
        topic = self.topics.get(modality, "")
        return replace(self.signals.get(modality, SensorInput()), topic=topic)

    @classmethod
    def from_parameters(cls, given: Mapping[str, Any], namespace: str | None = None) -> TopicMap:
        """What the parameters of the node `synchronizer` say, by their dotted names.

        A relative topic is one of the `namespace`, "" being the root; without it, as written.
        Raises M2R2Error.
        """
        signals = entries(given)
        topics = {
            name: _absolute(topic, namespace) for name, topic in _topics(given, signals).items()
        }
        values: dict[str, Any] = {}
        if topics:
            cameras = _cameras(topics)
            values = {"topics": topics, "reference_camera": first_camera(cameras, topics)}
        more = {name: _unlike_topics(entry, namespace) for name, entry in signals.items()}
        values["signals"] = {name: SensorInput(**entry) for name, entry in more.items() if entry}
        if given.get("reference_camera"):
            values["reference_camera"] = given["reference_camera"]
        if "gripper_joints" in given:
            values["gripper_joints"] = tuple(given["gripper_joints"])
        return cls(**values)

    def served(self, modalities: Sequence[str]) -> dict[str, str]:
        """Modality -> topic for those of an encoder's `modalities` that the robot has.

        Raises M2R2Error when it has none of them, or when a missing one looks misspelt.
        """
        others = self.topics.keys() - set(modalities)
        for modality in modalities:
            if modality not in self.topics and (near := likely_slip(modality, others)):
                raise M2R2Error(
                    f"no topic is configured for '{modality}'{near}; "
                    f"topics.{modality}: '' says that the robot has none"
                )
        found = {name: self.topics[name] for name in modalities if self.topics.get(name)}
        if not found:
            raise M2R2Error(
                f"none of the encoder's sensors has a topic: {', '.join(modalities)}; a robot file "
                "names them (--config, config:=; robot.yaml beside converted bags)"
            )
        return found

    def absent(self, modalities: Sequence[str]) -> list[str]:
        """One line for each of an encoder's `modalities` that the robot lacks."""
        return [
            f"'{name}' has no topic: the robot is taken to lack it, and it is masked"
            for name in modalities
            if not self.topics.get(name)
        ]

    def unread(self, derived: Derived) -> list[str]:
        """One line for each signal that an encoder derives though the robot publishes it."""
        return [
            f"'{name}' is derived from '{source}': {self.topics[name]} is not read"
            for name, source in derived
            if self.topics.get(name)
        ]


def first_camera(cameras: Sequence[str], topics: Mapping[str, Any]) -> str:
    """The first of `cameras` that has a topic, "" when none has."""
    return next((name for name in cameras if topics.get(name)), "")


def _topics(
    given: Mapping[str, Any], signals: Mapping[str, Mapping[str, Any]]
) -> dict[str, object]:
    """Modality -> topic, in short or as an entry of `signals`."""
    topics = {n.removeprefix(_PREFIX): t for n, t in given.items() if n.startswith(_PREFIX)}
    for name, entry in signals.items():
        if "topic" in entry:
            if topics.get(name):
                raise M2R2Error(f"topics.{name} and {PREFIX}{name}.topic are both given: keep one")
            topics[name] = entry["topic"]
    return topics


def _absolute(topic: object, namespace: str | None) -> object:
    is_relative = isinstance(topic, str) and topic and not topic.startswith("/")
    is_relative = is_relative and namespace is not None
    return f"{namespace}/{topic}" if is_relative else topic


def _unlike_topics(entry: Mapping[str, Any], namespace: str | None) -> dict[str, Any]:
    """An entry of `signals` but for the sensor's topic, which stands in `topics`."""
    rest = {key: value for key, value in entry.items() if key != "topic"}
    if "info" in rest:
        rest["info"] = _absolute(rest["info"], namespace)
    return rest


def _cameras(names: Collection[str]) -> list[str]:
    """The default reference camera first, then the others in the file's order."""
    others = [name for name in names if name != AUDIO and not preset_of(name)]
    return [TopicMap.reference_camera, *others]


def likely_slip(name: str, valid: Iterable[str]) -> str:
    """Like `nearest_name`, for what is almost certainly a slip."""
    close = difflib.get_close_matches(str(name), list(valid), n=1, cutoff=0.75)
    return nearest_name(str(name), close)


def _is_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(text, str) for text in value)
