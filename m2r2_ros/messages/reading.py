# SPDX-License-Identifier: Apache-2.0
"""Which numbers of a message are a signal's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from m2r2_ros.sensing.signal import Signal, bare_signal


@dataclass(frozen=True)
class Reading:
    """How messages become rows.

    width    columns of a row, where the message type leaves it open.
    field    of a JointState: position, velocity or effort.
    joints   of a JointState, in this order; all when empty.
    is_sum   the joints' sum is the one column: the width of a gripper.
    """

    width: int = 1
    field: str = "position"
    joints: tuple[str, ...] = ()
    is_sum: bool = True


def reading_of(signal: Signal, gripper_joints: Sequence[str]) -> Reading:
    """How a signal of a layout is read; its columns name the joints, if the layout names them."""
    kind = signal.kind
    if kind.sums_joints:
        return Reading(1, kind.joint_field, tuple(gripper_joints))
    bare = bare_signal(signal.name, signal.preset, signal.width)
    joints = signal.columns if signal.columns != bare.columns else ()
    return Reading(signal.width, kind.joint_field, joints, is_sum=False)
