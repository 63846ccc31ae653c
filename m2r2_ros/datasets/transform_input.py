# SPDX-License-Identifier: Apache-2.0
"""A robot file's entry of a pose that is published on /tf: `frame` and `child_frame`."""

from __future__ import annotations

from m2r2_ros.datasets.sensor_input import PREFIX, RobotFileError, SensorInput
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.messages.transform_pose import TransformPose
from m2r2_ros.messages.transforms import TRANSFORMS, frame_name
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

_OF_NUMBERS = ("fields", "scale", "offset", "unit")


def is_transform(topics: TopicMap, modality: str) -> bool:
    """Whether the robot file takes a sensor from a tree of transforms."""
    return bool(topics.input(modality).child_frame)


def static_topic(topic: str) -> str:
    """Where the transforms that never change are published: /tf_static beside /tf."""
    return f"{topic}_static"


def transform_pose(
    topics: TopicMap,
    layout: SensorLayout,
    modality: str,
    limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
) -> TransformPose:
    """The reader of a sensor that `is_transform`. Raises RobotFileError."""
    said, entry = topics.input(modality), f"{PREFIX}{modality}"
    if modality not in layout.signals or layout.signals[modality].preset != "pose":
        raise RobotFileError(f"{entry}.child_frame: only a pose is taken from {said.topic}")
    for key in _OF_NUMBERS:
        if getattr(said, key):
            raise RobotFileError(f"{entry}.{key}: a pose between two frames has none")
    if frame_name(said.frame.encode()) == frame_name(said.child_frame.encode()):
        raise RobotFileError(f"{entry}: frame and child_frame are both '{said.frame}': no motion")
    return TransformPose(said.frame, said.child_frame, limits)


def check_transform(said: SensorInput, modality: str, type_name: str) -> None:
    """Raise RobotFileError unless messages of `type_name` bring a pose between two frames."""
    if said.child_frame and type_name != TRANSFORMS:
        raise RobotFileError(f"{PREFIX}{modality}.child_frame needs {TRANSFORMS}, not {type_name}")
    if type_name == TRANSFORMS and not said.child_frame:
        raise RobotFileError(
            f"{TRANSFORMS} holds many poses: {PREFIX}{modality}.frame and .child_frame say which"
        )
