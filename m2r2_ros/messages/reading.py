# SPDX-License-Identifier: Apache-2.0
"""Which numbers of a message are a signal's columns, and how they become its values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.definition import Definitions, no_definitions
from m2r2_ros.messages.field_check import is_stamped
from m2r2_ros.messages.field_path import FieldPath, parse_path
from m2r2_ros.sensing.signal import Signal, bare_signal
from m2r2_ros.signal_presets import NAMED_STATES


@dataclass(frozen=True)
class Reading:
    """How messages become rows.

    width    columns of a row.
    field    of a JointState: position, velocity or effort.
    joints   of a JointState, in this order; all when empty.
    is_found the joints are those of the first message, for nothing names them.
    is_sum   the numbers' sum is the one column: the width of a gripper.
    paths    where the numbers are; none: where the type's own reader finds them.
    by_type  paths of types that have no reader of their own.
    scale, offset   value = number * scale + offset; one for all or one each, none: as they are.
    """

    width: int = 1
    field: str = "position"
    joints: tuple[str, ...] = ()
    is_found: bool = False
    is_sum: bool = True
    paths: tuple[FieldPath, ...] = ()
    by_type: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict, compare=False)
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    definitions: Definitions = dataclasses.field(default=no_definitions, compare=False)

    def paths_in(self, type_name: str) -> tuple[FieldPath, ...]:
        """Where the numbers are in messages of a type; () where its own reader knows."""
        if self.paths:
            return self.paths
        if type_name == NAMED_STATES:
            texts = [f"interface_values[{joint}].values[{self.field}]" for joint in self.joints]
            return tuple(map(parse_path, texts))
        texts = self.by_type.get(type_name)
        return tuple(map(parse_path, texts)) if texts else ()

    def is_stamped(self, type_name: str) -> bool:
        """Whether messages of a type say when they were measured. Raises MessageError."""
        return not self.paths_in(type_name) or is_stamped(type_name, self.definitions)

    def values(
        self, numbers: np.ndarray, is_sum: bool = False, turned: Sequence[int] = ()
    ) -> np.ndarray:
        """Columns (n, width) of the numbers (n, k) of n messages, float64.

        At each place of `turned` stand roll, pitch and yaw. Raises MessageError when scale or
        offset are for more or fewer numbers.
        """
        for start in reversed(turned):
            numbers = _with_quaternion(numbers, start)
        if self.scale:
            _check_count("scale", self.scale, numbers.shape[1])
            numbers = numbers * self.scale
        if is_sum:
            numbers = _sum(numbers)
        if self.offset:
            _check_count("offset", self.offset, numbers.shape[1])
            numbers = numbers + self.offset
        return numbers


def reading_of(signal: Signal, gripper_joints: Sequence[str]) -> Reading:
    """How a signal of a layout is read; its columns name the joints, if the layout names them."""
    kind = signal.kind
    by_type = kind.fields
    if kind.sums_joints:
        return Reading(1, kind.joint_field, tuple(gripper_joints), by_type=by_type)
    bare = bare_signal(signal.name, signal.preset, signal.width)
    joints = signal.columns if signal.columns != bare.columns else ()
    return Reading(signal.width, kind.joint_field, joints, is_sum=False, by_type=by_type)


def _check_count(name: str, given: tuple[float, ...], wanted: int) -> None:
    if len(given) not in (1, wanted):
        raise MessageError(f"{name} has {len(given)} numbers: it needs 1 or {wanted}")


def _sum(numbers: np.ndarray) -> np.ndarray:
    """The sum (n, 1) of columns (n, k), added from left to right."""
    total = numbers[:, :1].copy()
    for column in range(1, numbers.shape[1]):
        total[:, 0] += numbers[:, column]
    return total


def _with_quaternion(numbers: np.ndarray, start: int) -> np.ndarray:
    """Roll, pitch and yaw [rad], in three columns from `start` on, as x, y, z, w.

    Turns about the fixed axes x, y and z, in this order (URDF and tf2 setRPY).
    """
    # In one piece: NumPy may compute a strided array in another way, to other last bits.
    half = np.ascontiguousarray(numbers[:, start : start + 3].T) / 2
    (sr, sp, sy), (cr, cp, cy) = np.sin(half), np.cos(half)
    turn = np.stack(
        [
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
            cr * cp * cy + sr * sp * sy,
        ],
        axis=1,
    )
    return np.concatenate([numbers[:, :start], turn, numbers[:, start + 3 :]], axis=1)
