# SPDX-License-Identifier: Apache-2.0
"""How a robot file's entry of a sensor and the messages found on its topic go together."""

from __future__ import annotations

import re
from dataclasses import replace

from m2r2_ros.datasets.sensor_input import PREFIX, SensorInput
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.datasets.transform_input import check_transform
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.common_audio import info_topic
from m2r2_ros.messages.definition import Definitions, no_definitions
from m2r2_ros.messages.field_check import count_numbers
from m2r2_ros.messages.reading import Reading, reading_of
from m2r2_ros.messages.types import check_type
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.signal_presets import JOINTS, NAMED_STATES

# Fingers that are known to slide, so that their positions are metres: those of Franka's hand.
_SLIDING = re.compile(r"\w*finger_joint[12]", re.ASCII)
# The unit of a camera of distances.
_DISTANCE = "m"
_OF_SIGNALS = ("fields", "scale", "offset", "unit")


def signal_reading(
    topics: TopicMap, signal: Signal, definitions: Definitions = no_definitions
) -> Reading:
    """How a signal's messages are read. Raises M2R2Error when it is given another unit."""
    said = topics.input(signal.name)
    units = ", ".join(dict.fromkeys(signal.units))
    if said.unit and said.unit != units:
        raise M2R2Error(
            f"{PREFIX}{signal.name}.unit is '{said.unit}', but the encoder takes "
            f"'{signal.name}' in {units or 'no unit'}: state that unit, and the scale that makes "
            "it of what the messages hold"
        )
    return replace(
        reading_of(signal, topics.gripper_joints),
        paths=said.paths(),
        scale=said.scale,
        offset=said.offset,
        definitions=definitions,
    )


def check_input(
    topics: TopicMap,
    definitions: Definitions,
    layout: SensorLayout,
    modality: str,
    type_name: str,
) -> None:
    """Raise M2R2Error unless messages of `type_name` can carry `modality` as the file says."""
    said = topics.input(modality)
    if said.info and modality != AUDIO:
        raise M2R2Error(f"{PREFIX}{modality}.info: only the microphone has it")
    if said.type not in ("", type_name):
        raise MessageError(f"is {type_name}, but {PREFIX}{modality}.type is {said.type}")
    check_transform(said, modality, type_name)
    if said.child_frame:
        return
    if modality not in layout.signals:
        _check_unread(said, modality, layout)
        check_type(layout, modality, type_name)
        return
    if not said.fields:
        check_type(layout, modality, type_name)
    signal = layout.signals[modality]
    reading = signal_reading(topics, signal, definitions)
    _check_gripper(said, signal, reading, type_name)
    _check_width(signal, reading, type_name)


def other_frame(found: str, expected: str) -> str:
    """What is said of a sensor whose frame is not the one in the robot file."""
    return f"is in frame '{found}', not in '{expected}' as the parameter file says"


def microphone_info(topics: TopicMap, topic: str) -> str:
    """Where it is published what the bytes of the microphone on `topic` are."""
    return topics.input(AUDIO).info or info_topic(topic)


def is_depth(topics: TopicMap, camera: str) -> bool:
    """Whether a camera's pictures are distances."""
    return topics.input(camera).unit == _DISTANCE


def _check_unread(said: SensorInput, modality: str, layout: SensorLayout) -> None:
    for key in _OF_SIGNALS:
        is_known = key == "unit" and modality in layout.cameras and said.unit == _DISTANCE
        if getattr(said, key) and not is_known:
            more = ", but for `unit: m` of a camera of distances" if key == "unit" else ""
            raise M2R2Error(f"{PREFIX}{modality}.{key}: only signals have it{more}")


def _check_gripper(said: SensorInput, signal: Signal, reading: Reading, type_name: str) -> None:
    """Positions of joints are metres or radians, and no message says which."""
    if not signal.kind.sums_joints or type_name not in (JOINTS, NAMED_STATES):
        return
    joints = _joints(reading)
    is_sliding = bool(joints) and all(map(_SLIDING.fullmatch, joints))
    if not (said.unit or said.scale or is_sliding):
        raise MessageError(
            f"'{signal.name}' is a width [m], and the unit of "
            f"{' and '.join(joints) or 'its joints'} is not known: {PREFIX}{signal.name}.scale "
            f"makes metres of radians, {PREFIX}{signal.name}.unit: m says that it is in metres"
        )


def _joints(reading: Reading) -> list[str]:
    """Joints that are named, in a field path or as the gripper's."""
    steps = [step for path in reading.paths for step in path.steps]
    return [step.name for step in steps if step.name] or list(reading.joints)


def _check_width(signal: Signal, reading: Reading, type_name: str) -> None:
    paths = reading.paths_in(type_name)
    if type_name == NAMED_STATES and not paths:
        raise MessageError(
            f"'{signal.name}': name what is read of {type_name}: {PREFIX}{signal.name}.fields: "
            "[interface_values[<joint>].values[position]]"
        )
    if not paths:
        return
    try:
        count = count_numbers(type_name, paths, reading.definitions)
    except MessageError as error:
        raise MessageError(f"{PREFIX}{signal.name}.fields: {error}") from error
    if count is not None and not reading.is_sum and count != signal.width:
        raise MessageError(
            f"{PREFIX}{signal.name}.fields give {count} numbers, '{signal.name}' has "
            f"{signal.width} columns"
        )
