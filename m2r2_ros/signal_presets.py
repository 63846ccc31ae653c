# SPDX-License-Identifier: Apache-2.0
"""What is known of each kind of signal, in one record: columns, units, limits, messages.

Message types are names here: nothing below `messages` reads one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

WRENCH = "geometry_msgs/msg/WrenchStamped"
POSE = "geometry_msgs/msg/PoseStamped"
TWIST = "geometry_msgs/msg/TwistStamped"
JOINTS = "sensor_msgs/msg/JointState"
IMU = "sensor_msgs/msg/Imu"
# A header and one number, or a list of numbers; from any package.
STAMPED_NUMBERS = ("*/msg/Float64Stamped", "*/msg/Float32Stamped")
STAMPED_ARRAYS = ("*/msg/Float64ArrayStamped", "*/msg/Float32ArrayStamped")
# States under the names of joints and of what is known of each.
NAMED_STATES = "control_msgs/msg/DynamicJointState"

# Types that are read by their definition -> the fields that are the columns.
_WRENCHES = {"geometry_msgs/msg/Wrench": ("force", "torque")}
_POSES = {
    "geometry_msgs/msg/PoseWithCovarianceStamped": ("pose.pose",),
    "nav_msgs/msg/Odometry": ("pose.pose",),
    "geometry_msgs/msg/TransformStamped": ("transform",),
    "geometry_msgs/msg/Pose": ("position", "orientation"),
    "geometry_msgs/msg/Transform": ("translation", "rotation"),
}
_TWISTS = {
    "geometry_msgs/msg/TwistWithCovarianceStamped": ("twist.twist",),
    "nav_msgs/msg/Odometry": ("twist.twist",),
    "geometry_msgs/msg/Twist": ("linear", "angular"),
}
NUMBERS = {"std_msgs/msg/Float64": ("data",), "std_msgs/msg/Float32": ("data",)}
_ARRAYS = {
    "std_msgs/msg/Float64MultiArray": ("data",),
    "std_msgs/msg/Float32MultiArray": ("data",),
}
# Which of its fields, the names of joints say.
_NAMED: Mapping[str, tuple[str, ...]] = {NAMED_STATES: ()}


# Largest magnitudes of what SensingLimits has no entry for; without a limit float32 is one.
_MAX_JOINT, _MAX_EFFORT, _MAX_ACCELERATION = 1e3, 1e5, 1e4
UNLIMITED = 3e38


@dataclass(frozen=True)
class Quantity:
    """Neighbouring columns that measure one thing in one unit (REP 103).

    columns  their names; none: as many as a layout says.
    limit    largest magnitude of a measurement; a text names the entry of SensingLimits with it.
    """

    name: str
    unit: str
    columns: tuple[str, ...] = ()
    limit: str | float = UNLIMITED
    is_quaternion: bool = False


@dataclass(frozen=True)
class SignalPreset:
    """A kind of signal.

    types        message types that may carry it; `*` stands for any package.
    fields       further types, which are read by their definition, and the fields that are columns.
    joint_field  the field of a JointState that holds it; with `sums_joints` the joints' sum is its
                 one column.
    """

    quantities: tuple[Quantity, ...]
    types: tuple[str, ...]
    joint_field: str = "position"
    sums_joints: bool = False
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Number of columns; 0 where a layout has to say it."""
        return sum(len(quantity.columns) for quantity in self.quantities)


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
            fields=_WRENCHES,
        ),
        # Of the end effector in the base frame.
        "pose": SignalPreset(
            (
                Quantity("position", "m", _XYZ, "max_distance_m"),
                Quantity("orientation", "1", (*_XYZ, "w"), 2.0, is_quaternion=True),
            ),
            (POSE,),
            fields=_POSES,
        ),
        # Of the end effector.
        "twist": SignalPreset(
            (
                Quantity("linear velocity", "m/s", _XYZ, "max_speed_m_s"),
                Quantity("angular velocity", "rad/s", _XYZ, "max_turn_rad_s"),
            ),
            (TWIST,),
            fields=_TWISTS,
        ),
        # Between the fingers; of a JointState the sum of the positions of `gripper_joints`.
        "gripper": SignalPreset(
            (Quantity("opening", "m", ("width",), "max_gripper_m"),),
            (JOINTS, *STAMPED_NUMBERS),
            sums_joints=True,
            fields=NUMBERS | _NAMED,
        ),
        "joint_position": SignalPreset(
            (Quantity("joint position", "rad", limit=_MAX_JOINT),),
            (JOINTS,),
            fields=_ARRAYS | _NAMED,
        ),
        "joint_velocity": SignalPreset(
            (Quantity("joint velocity", "rad/s", limit=_MAX_JOINT),),
            (JOINTS,),
            joint_field="velocity",
            fields=_ARRAYS | _NAMED,
        ),
        "joint_effort": SignalPreset(
            (Quantity("joint effort", "N m", limit=_MAX_EFFORT),),
            (JOINTS,),
            joint_field="effort",
            fields=_ARRAYS | _NAMED,
        ),
        "imu": SignalPreset(
            (
                Quantity("angular velocity", "rad/s", _XYZ, "max_turn_rad_s"),
                Quantity("acceleration", "m/s^2", _XYZ, _MAX_ACCELERATION),
            ),
            (IMU,),
        ),
        # The cells of a pad; drivers agree on no unit.
        "tactile": SignalPreset(
            (Quantity("pressure", ""),),
            (*STAMPED_ARRAYS, *STAMPED_NUMBERS, JOINTS),
            fields=_ARRAYS | NUMBERS,
        ),
    }
)

# A signal of no preset: what can carry any numbers.
OTHER = SignalPreset(
    (Quantity("value", ""),),
    (*STAMPED_NUMBERS, *STAMPED_ARRAYS, JOINTS),
    fields=_ARRAYS | NUMBERS | _NAMED,
)


def preset_of(name: str) -> str:
    """The preset that a signal's name ends with, after an underscore or alone; "" if none."""
    fitting = (each for each in PRESETS if name == each or name.endswith(f"_{each}"))
    return max(fitting, key=len, default="")
