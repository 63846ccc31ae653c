# SPDX-License-Identifier: Apache-2.0
"""Declared parameters: a description, a range, a default that the core owns, clear errors.

Every parameter is declared with dynamic typing and checked here, so that `1` is good for `1.0`
and a bad value is one line that names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from m2r2_ros.errors import M2R2Error, brief, nearest_name

# Declared by rclpy itself, or read from the overrides by it or by ingest.
_BUILT_IN = ("use_sim_time", "start_type_description_service")
_PREFIXES = ("qos_overrides.", "topics.")


@dataclass(frozen=True)
class Setting:
    """One parameter. Its type is the type of `default`; a tuple is a list of texts."""

    name: str
    default: bool | int | float | str | tuple[str, ...]
    description: str
    minimum: float = -math.inf
    maximum: float = math.inf
    # Whether an active node takes a new value at once; the others are read in `configure`.
    live: bool = False

    def read(self, value: Any) -> Any:
        """Return `value` as this setting's type.

        Raises M2R2Error when it has another type or lies out of range.
        """
        value = self._as_own_type(value)
        if type(self.default) in (int, float) and not self.minimum <= value <= self.maximum:
            raise M2R2Error(
                f"parameter {self.name} must be in [{self.minimum:g}, {self.maximum:g}], "
                f"got {value}"
            )
        return value

    def _as_own_type(self, value: Any) -> Any:
        kind = type(self.default)
        if kind is float and type(value) is int:
            return float(value)
        if kind is int and type(value) is float and value.is_integer():
            return int(value)
        if kind is tuple and not isinstance(value, str | bytes):
            try:
                value = tuple(value)
            except TypeError:
                value = (value,)
            if all(isinstance(entry, str) for entry in value):
                return value
        if type(value) is kind and kind is not tuple:
            return value
        raise M2R2Error(f"parameter {self.name} must be {_KIND_NAMES[kind]}, got {brief(value)}")

    @property
    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        when = "Can change at run time." if self.live else "Read in configure."
        descriptor = ParameterDescriptor(
            description=f"{self.description} {when}", dynamic_typing=True
        )
        bounds = {"from_value": self.minimum, "to_value": self.maximum}
        if type(self.default) is float and self._is_bounded:
            descriptor.floating_point_range = [FloatingPointRange(**bounds)]
        if type(self.default) is int and self._is_bounded:
            whole = {name: int(value) for name, value in bounds.items()}
            descriptor.integer_range = [IntegerRange(**whole)]
        return descriptor

    @property
    def _is_bounded(self) -> bool:
        return math.isfinite(self.minimum) and math.isfinite(self.maximum)


_KIND_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}


def overrides(node: Node) -> Mapping[str, Any]:
    """Values that the command line, a parameter file or the constructor gave to `node`."""
    # rclpy has no public way to see overrides that nobody declared, which is what a typo is.
    return {name: given.value for name, given in node._parameter_overrides.items()}


def declare(node: Node, settings: Iterable[Setting]) -> list[M2R2Error]:
    """Declare `settings` that are not declared yet; return what is wrong with their overrides.

    A wrong override is set aside for the default, so that the node lives to report it.
    """
    errors = []
    given = overrides(node)
    for setting in settings:
        if node.has_parameter(setting.name):
            continue
        value = setting.default
        if setting.name in given:
            try:
                value = setting.read(given[setting.name])
            except M2R2Error as error:
                errors.append(error)
        ros_value = list(value) if isinstance(value, tuple) else value
        node.declare_parameter(setting.name, ros_value, setting.descriptor, ignore_override=True)
    return errors


def read(node: Node, settings: Iterable[Setting]) -> dict[str, Any]:
    """Current values by name. Raises M2R2Error on the first bad one."""
    return {s.name: s.read(node.get_parameter(s.name).value) for s in settings}


def check_names(node: Node, known: Iterable[str]) -> None:
    """Raise M2R2Error for the first override that no node of this package knows."""
    known = (*known, *_BUILT_IN)
    for name in overrides(node):
        if name not in known and not name.startswith(_PREFIXES):
            raise M2R2Error(f"unknown parameter '{name}'{nearest_name(name, known)}")
