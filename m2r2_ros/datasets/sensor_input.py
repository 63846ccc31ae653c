# SPDX-License-Identifier: Apache-2.0
"""Where one sensor of a robot is published, and how its messages become the layout's columns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.messages.field_path import FieldPath, parse_path

PREFIX = "signals."
# Absolute, or relative to the nodes' namespace; no part begins with a digit.
_TOPIC_NAME = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*", re.ASCII)


class RobotFileError(M2R2Error):
    """What a robot file says of a sensor cannot be, whatever the messages hold."""


@dataclass(frozen=True)
class SensorInput:
    """An entry of a robot file; its fields are the parameters `signals.<sensor>.<field>`.

    topic        "" where the robot lacks the sensor.
    type         of its messages, "" for what is found.
    fields       field paths: the columns in their order; none: those of the sensor's preset.
    scale, offset  value = raw * scale + offset in float64; one for all numbers or one each. The
                 numbers of a gripper are scaled, added up to its width, and offset once.
    unit         of the values, "" for the layout's.
    frame        the frame_id that is expected, "" for any; on /tf the fixed frame.
    child_frame  on /tf the frame that moves.
    info         of a microphone that publishes bytes: the topic that says what they are.
    """

    topic: str = ""
    type: str = ""
    fields: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    unit: str = ""
    frame: str = ""
    child_frame: str = ""
    info: str = ""

    def check(self, sensor: str) -> None:
        """Raise M2R2Error that names the entry of `sensor` that cannot be."""
        for what, topic in (("topic", self.topic), ("info", self.info)):
            if not isinstance(topic, str) or (topic and not is_topic_name(topic)):
                raise M2R2Error(f"{what} of '{sensor}' is no topic name: {brief(topic)}")
        if self.type and not _TYPE_NAME.fullmatch(self.type):
            raise M2R2Error(f"{PREFIX}{sensor}.type is not package/msg/Type: {brief(self.type)}")
        if not all(math.isfinite(number) for number in (*self.scale, *self.offset)):
            raise M2R2Error(f"{PREFIX}{sensor}: scale and offset must be finite")
        if 0 in self.scale:
            raise M2R2Error(f"{PREFIX}{sensor}.scale is 0: every value would be its offset")
        if self.child_frame and not self.frame:
            raise M2R2Error(f"{PREFIX}{sensor}.child_frame needs the fixed frame, {sensor}.frame")
        try:
            self.paths()
        except M2R2Error as error:
            raise M2R2Error(f"{PREFIX}{sensor}.fields: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """As records keep it: without what older ones do not know, unless it is said."""
        return {key: value for key, value in asdict(self).items() if key != "info" or value}

    def paths(self) -> tuple[FieldPath, ...]:
        """The fields, read. Raises M2R2Error."""
        return tuple(map(parse_path, self.fields))

    @property
    def width(self) -> int | None:
        """How many numbers the fields are; None where they do not say it. Raises M2R2Error."""
        counts = [path.count for path in self.paths()]
        return None if None in counts else sum(counts) or None


def is_topic_name(text: str) -> bool:
    """Whether a topic may be called so."""
    return _TOPIC_NAME.fullmatch(text) is not None


KEYS = tuple(field.name for field in fields(SensorInput))


def entry_of(name: str) -> tuple[str, str]:
    """Sensor and key of a parameter `signals.<sensor>.<key>`. Raises M2R2Error for any other."""
    sensor, _, key = name.removeprefix(PREFIX).partition(".")
    if not name.startswith(PREFIX) or not key:
        raise M2R2Error(f"parameter '{name}' must be a map: {', '.join(KEYS)}")
    if key not in KEYS:
        raise M2R2Error(f"unknown parameter '{name}'{nearest_name(key, KEYS)}")
    return sensor, key


def is_entry(name: str) -> bool:
    """Whether a parameter is `signals.<sensor>.<key>`, with a key that there is."""
    return name.startswith(PREFIX) and name.removeprefix(PREFIX).partition(".")[2] in KEYS


def entries(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Sensor -> key -> value of all parameters `signals.<sensor>.<key>`. Raises M2R2Error."""
    found: dict[str, dict[str, Any]] = {}
    for name in names(given):
        sensor, key = entry_of(name)
        found.setdefault(sensor, {})[key] = given[name]
    return found


def names(given: Iterable[str]) -> list[str]:
    """Those of the `given` parameters that are entries of sensors."""
    return [name for name in given if name.startswith(PREFIX)]
