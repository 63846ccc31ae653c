# SPDX-License-Identifier: Apache-2.0
"""How a robot file's entry of a sensor and the messages found on its topic go together."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

from m2r2_ros.datasets.sensor_input import PREFIX, RobotFileError, SensorInput
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.datasets.transform_input import check_transform, transform_pose
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
    """How a signal's messages are read. Raises RobotFileError when it is given another unit."""
    said = topics.input(signal.name)
    units = ", ".join(dict.fromkeys(signal.units))
    if said.unit and said.unit != units:
        raise RobotFileError(
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


def check_entry(topics: TopicMap, layout: SensorLayout, modality: str) -> None:
    """Raise RobotFileError where what the file says of `modality` can fit no message."""
    said = topics.input(modality)
    if said.info and modality != AUDIO:
        raise RobotFileError(f"{PREFIX}{modality}.info: only the microphone has it")
    if said.child_frame:
        transform_pose(topics, layout, modality)
    elif modality in layout.signals:
        signal_reading(topics, layout.signals[modality])
    else:
        _check_unread(said, modality, layout)


def check_entries(topics: TopicMap, layout: SensorLayout, definitions: Definitions) -> None:
    """Raise RobotFileError where what the file says of any sensor cannot be.

    A type that the file states is tried, if it is known.
    """
    for modality in topics.served(layout.sensed):
        check_entry(topics, layout, modality)
        if type_name := topics.input(modality).type:
            with suppress(MessageError):
                check_input(topics, definitions, layout, modality, type_name)


def check_input(
    topics: TopicMap,
    definitions: Definitions,
    layout: SensorLayout,
    modality: str,
    type_name: str,
) -> None:
    """Raise M2R2Error unless messages of `type_name` can carry `modality` as the file says.

    It is a RobotFileError where the file has to be mended, whatever is published.
    """
    said = topics.input(modality)
    check_entry(topics, layout, modality)
    if said.type not in ("", type_name):
        raise RobotFileError(
            f"is {type_name}, but {PREFIX}{modality}.type is {said.type}: state the type that is "
            "there, or another topic"
        )
    check_transform(said, modality, type_name)
    if said.child_frame:
        return
    if modality not in layout.signals or not said.fields:
        _check_kind(said, layout, modality, type_name)
    if modality in layout.signals:
        signal = layout.signals[modality]
        reading = signal_reading(topics, signal, definitions)
        _check_gripper(said, signal, reading, type_name)
        _check_numbers(said, signal, reading, type_name)


def _check_kind(said: SensorInput, layout: SensorLayout, modality: str, type_name: str) -> None:
    try:
        check_type(layout, modality, type_name)
    except MessageError as error:
        if said.type:
            raise RobotFileError(f"{PREFIX}{modality}.type: {error}") from error
        raise


def microphone_info(topics: TopicMap, topic: str) -> str:
    """Where it is published what the bytes of the microphone on `topic` are."""
    return topics.input(AUDIO).info or info_topic(topic)


def other_frame(found: str, expected: str) -> str:
    """What is said of a sensor whose frame is not the one in the robot file."""
    return f"is in frame '{found}', not in '{expected}' as the parameter file says"


def is_depth(topics: TopicMap, camera: str) -> bool:
    """Whether a camera's pictures are distances."""
    return topics.input(camera).unit == _DISTANCE


def _check_unread(said: SensorInput, modality: str, layout: SensorLayout) -> None:
    for key in _OF_SIGNALS:
        is_known = key == "unit" and modality in layout.cameras and said.unit == _DISTANCE
        if getattr(said, key) and not is_known:
            more = ", but for `unit: m` of a camera of distances" if key == "unit" else ""
            raise RobotFileError(f"{PREFIX}{modality}.{key}: only signals have it{more}")


def _check_gripper(said: SensorInput, signal: Signal, reading: Reading, type_name: str) -> None:
    """Positions of joints are metres or radians, and no message says which."""
    if not signal.kind.sums_joints or type_name not in (JOINTS, NAMED_STATES):
        return
    joints = _joints(reading)
    is_sliding = bool(joints) and all(map(_SLIDING.fullmatch, joints))
    if not (said.unit or said.scale or is_sliding):
        raise RobotFileError(
            f"'{signal.name}' is a width [m], and the unit of "
            f"{' and '.join(joints) or 'its joints'} is not known: {PREFIX}{signal.name}.scale "
            f"makes metres of radians, {PREFIX}{signal.name}.unit: m says that it is in metres"
        )


def _joints(reading: Reading) -> list[str]:
    """Joints that are named, in a field path or as the gripper's."""
    steps = [step for path in reading.paths for step in path.steps]
    return [step.name for step in steps if step.name] or list(reading.joints)


def _check_numbers(said: SensorInput, signal: Signal, reading: Reading, type_name: str) -> None:
    """Whether fields, scale and offset go with the type and with each other."""
    count = _count_numbers(signal, reading, type_name)
    if count is None:
        return
    entry = f"{PREFIX}{signal.name}"
    if not reading.is_sum and count != signal.width:
        raise RobotFileError(
            f"{entry}.fields give {count} numbers, '{signal.name}' has {signal.width} columns: "
            "name as many"
        )
    columns = 1 if reading.is_sum else count
    for name, given, wanted in (("scale", said.scale, count), ("offset", said.offset, columns)):
        if len(given) not in (0, 1, wanted):
            needed = f"1 or {wanted}" if wanted > 1 else "1"
            raise RobotFileError(f"{entry}.{name} has {len(given)} numbers: it needs {needed}")


def _count_numbers(signal: Signal, reading: Reading, type_name: str) -> int | None:
    """How many numbers of a message are read; None where only a message tells."""
    paths = reading.paths_in(type_name)
    if not paths:
        if type_name == NAMED_STATES:
            raise RobotFileError(
                f"'{signal.name}': name what is read of {type_name}: {PREFIX}{signal.name}.fields: "
                "[interface_values[<joint>].values[position]]"
            )
        return (len(reading.joints) or None) if reading.is_sum else signal.width
    # Where a bag lacks the definition, nothing can be said of the file.
    reading.definitions(type_name)
    try:
        return count_numbers(type_name, paths, reading.definitions)
    except MessageError as error:
        raise RobotFileError(f"{PREFIX}{signal.name}.fields: {error}") from error
