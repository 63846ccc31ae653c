# SPDX-License-Identifier: Apache-2.0
"""One parameter: its type, its range, and the errors for a wrong value or name.

Free of ROS, so that offline commands check a parameter file as the nodes do.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from m2r2_ros.datasets.sensor_input import PREFIX, entry_of
from m2r2_ros.errors import M2R2Error, brief

# Declared by rclpy itself, or read from the overrides by it or by ingest.
_BUILT_IN = ("use_sim_time", "start_type_description_service")
_GROUPS = ("qos_overrides", "topics", "signals")
# Closer than this to a name of ours is a slip; other nodes' parameters are further away.
_SLIP = 0.8

_KIND_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}
_NUMBERS = "a number or a list of numbers"


@dataclass(frozen=True)
class Setting:
    """One parameter. Its type is the type of `default`.

    A tuple is a list of texts; one with a number in it is a list of numbers.
    """

    name: str
    default: bool | int | float | str | tuple[str, ...] | tuple[float, ...]
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
        if value is None:
            # rcl reads an empty list as a parameter without a type.
            value = []
        if kind is float and type(value) is int:
            return float(value)
        if kind is int and type(value) is float and value.is_integer():
            return int(value)
        if kind is tuple:
            return self._as_list(value)
        if type(value) is kind:
            return value
        raise self._mistyped(_KIND_NAMES[kind], value)

    def _as_list(self, value: Any) -> tuple[str, ...] | tuple[float, ...]:
        entries = (value,)
        if not isinstance(value, str | bytes):
            with suppress(TypeError):
                entries = tuple(value)
        if self.default and isinstance(self.default[0], float):
            if all(type(entry) in (int, float) for entry in entries):
                return tuple(map(float, entries))
            raise self._mistyped(_NUMBERS, value)
        if not isinstance(value, str) and all(isinstance(entry, str) for entry in entries):
            return entries
        raise self._mistyped(_KIND_NAMES[tuple], value)

    def _mistyped(self, wanted: str, value: Any) -> M2R2Error:
        return M2R2Error(f"parameter {self.name} must be {wanted}, got {brief(value)}")

    @property
    def is_bounded(self) -> bool:
        """Whether both ends of the range are numbers."""
        return math.isfinite(self.minimum) and math.isfinite(self.maximum)


def foreign_names(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return which of the `given` names are parameters of other packages' nodes.

    A file may serve them too. Raises M2R2Error for a name that is a slip of a `known` one.
    """
    known = {*known, *_BUILT_IN}
    foreign = []
    for name in given:
        group, dot, _ = name.partition(".")
        if name.startswith(PREFIX):
            entry_of(name)
        if name in known or (group in _GROUPS and dot):
            continue
        if name in _GROUPS:
            raise M2R2Error(f"parameter '{name}' must be a map of names to values")
        slip = _nearest(name, known) or (_nearest(group, _GROUPS) if dot else "")
        if slip:
            raise M2R2Error(f"unknown parameter '{name}' (did you mean '{slip}'?)")
        foreign.append(name)
    return foreign


def _nearest(name: str, valid: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name[:200], sorted(valid), 1, _SLIP)), "")
