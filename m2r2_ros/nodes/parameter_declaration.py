# SPDX-License-Identifier: Apache-2.0
"""Declared parameters: a description, a range, a default that the core owns, clear errors.

Every parameter is declared with dynamic typing and checked here, so that `1` is good for `1.0`
and a bad value is one line that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.setting import Setting


def overrides(node: Node) -> Mapping[str, Any]:
    """Values that the command line, a parameter file or the constructor gave to `node`."""
    # A misspelt parameter is an override without a declaration: rclpy does not show it publicly.
    return {name: given.value for name, given in node._parameter_overrides.items()}


def declare(node: Node, settings: Iterable[Setting]) -> list[M2R2Error]:
    """Declare `settings` that are not declared yet; return the errors of their overrides.

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
        node.declare_parameter(setting.name, ros_value, _descriptor(setting), ignore_override=True)
    return errors


def read(node: Node, settings: Iterable[Setting]) -> dict[str, Any]:
    """Current values by name. Raises M2R2Error on the first bad one."""
    return {s.name: s.read(node.get_parameter(s.name).value) for s in settings}


def _descriptor(setting: Setting) -> ParameterDescriptor:
    """What `ros2 param describe` shows."""
    when = "Can change at run time." if setting.live else "Read in configure."
    descriptor = ParameterDescriptor(
        description=f"{setting.description} {when}", dynamic_typing=True
    )
    bounds = {"from_value": setting.minimum, "to_value": setting.maximum}
    if type(setting.default) is float and setting.is_bounded:
        descriptor.floating_point_range = [FloatingPointRange(**bounds)]
    if type(setting.default) is int and setting.is_bounded:
        whole = {name: int(value) for name, value in bounds.items()}
        descriptor.integer_range = [IntegerRange(**whole)]
    return descriptor
