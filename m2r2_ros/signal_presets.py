# SPDX-License-Identifier: Apache-2.0
"""What is known of each kind of signal, in one record: columns, units, limits, messages, topic.

Message types are names here: nothing below `messages` reads one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

WRENCH = "geometry_msgs/msg/WrenchStamped"
POSE = "geometry_msgs/msg/PoseStamped"
TWIST = "geometry_msgs/msg/TwistStamped"
JOINTS = "sensor_msgs/msg/JointState"
# A header and one number, from any package.
STAMPED_NUMBERS = ("*/msg/Float64Stamped", "*/msg/Float32Stamped")


@dataclass(frozen=True)
class Quantity:
    """Neighbouring columns that measure one thing in one unit (REP 103).

    limit  largest magnitude of a measurement; a text names the entry of SensingLimits that has it.
    """

    name: str
    unit: str
    columns: tuple[str, ...]
    limit: str | float
    is_quaternion: bool = False


@dataclass(frozen=True)
class SignalPreset:
    """A kind of signal.

    types  message types that may carry it; `*` stands for any package.
    topic  where `m2r2 convert` writes it and the nodes expect it unless told otherwise.
    """

    quantities: tuple[Quantity, ...]
    types: tuple[str, ...]
    topic: str

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(len(quantity.columns) for quantity in self.quantities)

    @property
    def limits(self) -> tuple[str | float, ...]:
        """`Quantity.limit` of each column."""
        return tuple(each.limit for each in self.quantities for _ in each.columns)

    @property
    def quaternions(self) -> tuple[slice, ...]:
        """The columns x, y, z, w of each unit quaternion."""
        return tuple(span for each, span in self.spans() if each.is_quaternion)

    def spans(self) -> list[tuple[Quantity, slice]]:
        """Each quantity with its columns."""
        found, start = [], 0
        for quantity in self.quantities:
            stop = start + len(quantity.columns)
            found.append((quantity, slice(start, stop)))
            start = stop
        return found


_XYZ = ("x", "y", "z")

PRESETS: Mapping[str, SignalPreset] = MappingProxyType(
    {
        # At the wrist.
        "wrench": SignalPreset(
            (
                Quantity("force", "N", _XYZ, "max_force_n"),
                Quantity("torque", "N m", _XYZ, "max_torque_nm"),
            ),
            (WRENCH,),
            "/wrist/wrench",
        ),
        # Of the end effector in the base frame.
        "pose": SignalPreset(
            (
                Quantity("position", "m", _XYZ, "max_distance_m"),
                Quantity("orientation", "1", (*_XYZ, "w"), 2.0, is_quaternion=True),
            ),
            (POSE,),
            "/end_effector/pose",
        ),
        # Of the end effector.
        "twist": SignalPreset(
            (
                Quantity("linear velocity", "m/s", _XYZ, "max_speed_m_s"),
                Quantity("angular velocity", "rad/s", _XYZ, "max_turn_rad_s"),
            ),
            (TWIST,),
            "/end_effector/twist",
        ),
        # Between the fingers; of a JointState the sum of the positions of `gripper_joints`.
        "gripper": SignalPreset(
            (Quantity("opening", "m", ("width",), "max_gripper_m"),),
            (JOINTS, *STAMPED_NUMBERS),
            "/gripper/joint_states",
        ),
    }
)
