# SPDX-License-Identifier: Apache-2.0
"""Which topic carries which modality, and how the gripper's fingers are called."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.sensing.layout import AUDIO
from m2r2_ros.signal_presets import PRESETS

# What `m2r2 convert` writes.
DEFAULT_TOPICS = MappingProxyType(
    {
        "hama1": "/hama1/image_raw/compressed",
        "hama2": "/hama2/image_raw/compressed",
        "hand": "/hand/image_raw/compressed",
        AUDIO: "/hand/audio",
        **{name: preset.topic for name, preset in PRESETS.items()},
    }
)
GROUND_TRUTH_TOPIC = "/ground_truth/action_segment"
# Everything that is known about the actions, as one JSON text.
ANNOTATIONS_TOPIC = "/ground_truth/annotations"

FINGER_JOINTS = ("panda_finger_joint1", "panda_finger_joint2")


@dataclass(frozen=True)
class TopicMap:
    """The inputs of a deployment; its fields are parameters of the nodes, under the same names.

    topics            modality -> topic: "audio", the signals of a sensor layout, and one entry a
                      camera, under the name that the layout gives it.
    gripper_joints    joints whose positions add up to the gripper's width; all when empty.
    reference_camera  the camera whose first frame is time 0 of a segments file.
    """

    topics: Mapping[str, str] = field(default_factory=lambda: DEFAULT_TOPICS)
    gripper_joints: tuple[str, ...] = FINGER_JOINTS
    reference_camera: str = "hama1"

    def __post_init__(self) -> None:
        if not isinstance(self.topics, Mapping) or not self.topics:
            raise M2R2Error("'topics' must map modalities to topics")
        for modality, topic in self.topics.items():
            # Any other name is a camera's, but not one that was meant to be a signal.
            if modality not in (AUDIO, *PRESETS) and (near := _typo(modality, (AUDIO, *PRESETS))):
                raise M2R2Error(f"unknown modality '{modality}' in topics{near}")
            if not isinstance(topic, str) or not topic.startswith("/"):
                raise M2R2Error(f"topic of '{modality}' must be a name that begins with /: {topic}")
        if not _is_texts(self.gripper_joints):
            raise M2R2Error("'gripper_joints' must be a list of joint names")
        if self.reference_camera not in self.topics:
            raise M2R2Error(
                f"reference_camera '{self.reference_camera}' has no topic"
                f"{nearest_name(self.reference_camera, self.topics)}"
            )

    def topic(self, modality: str) -> str:
        """Topic of a modality. Raises M2R2Error, with the nearest name, when it has none."""
        if modality not in self.topics:
            near = nearest_name(modality, self.topics)
            raise M2R2Error(f"no topic is configured for '{modality}'{near}")
        return self.topics[modality]


def load_topics(path: Path | str) -> TopicMap:
    """Read a TopicMap from a ROS 2 parameter file, `/**: ros__parameters: {topics: ...}`.

    Parameters that are not a TopicMap's are the nodes' own and left to them, but a misspelled one
    is named. Raises M2R2Error.
    """
    parameters = read_parameters(Path(path))
    names = tuple(entry.name for entry in fields(TopicMap))
    for name in parameters:
        if name not in names and (near := _typo(name, names)):
            raise M2R2Error(f"{path}: unknown parameter '{name}'{near}")
    values = {name: parameters[name] for name in names if name in parameters}
    if isinstance(values.get("gripper_joints"), list):
        values["gripper_joints"] = tuple(values["gripper_joints"])
    try:
        return TopicMap(**values)
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error


def read_parameters(path: Path) -> dict[str, Any]:
    """Parameters for all nodes in a ROS 2 parameter file (`/**`). Raises M2R2Error."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise M2R2Error(f"cannot read {path}: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise M2R2Error(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    for name in ("/**", "ros__parameters"):
        if not isinstance(content, dict) or name not in content:
            near = nearest_name(name, map(str, content)) if isinstance(content, dict) else ""
            raise M2R2Error(f"{path}: not a ROS 2 parameter file, '{name}' is missing{near}")
        content = content[name]
    if not isinstance(content, dict):
        raise M2R2Error(f"{path}: ros__parameters holds no parameters")
    return content


def _typo(name: str, valid: Iterable[str]) -> str:
    """Like `nearest_name`, for what is almost certainly a slip."""
    close = difflib.get_close_matches(str(name), list(valid), n=1, cutoff=0.75)
    return nearest_name(str(name), close)


def _is_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(text, str) for text in value)
