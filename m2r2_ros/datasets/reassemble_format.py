# SPDX-License-Identifier: Apache-2.0
"""Names in a REASSEMBLE file, shared by its reader and its writer."""

from __future__ import annotations

CAMERAS = ("hama1", "hama2", "hand")
AUDIO_STREAMS = ("hama1_audio", "hama2_audio", "hand_audio")

# Signals under robot_state/ and their widths.
SIGNAL_WIDTHS = {
    "measured_force": 3,
    "measured_torque": 3,
    "compensated_base_force": 3,
    "compensated_base_torque": 3,
    "pose": 7,
    "velocity": 6,
    "gripper_positions": 2,
    "gripper_velocities": 2,
    "gripper_efforts": 2,
    "joint_positions": 7,
    "joint_velocities": 7,
    "joint_efforts": 7,
}

# The order of pose's quaternion is documented two ways upstream; files written here state it.
QUATERNION_ORDER_ATTRIBUTE = "quaternion_order"

# As one published version of the format spells it.
MISSPELLED_SIGNALS = {"compenseted_base_torque": "compensated_base_torque"}

# Older files keep one dataset a component, in robot_state/ and in timestamps/.
COMPONENTS = {
    **{
        name: tuple(f"{name}_{axis}" for axis in "xyz")
        for name in SIGNAL_WIDTHS
        if name.endswith(("_force", "_torque"))
    },
    # These names say which quaternion component is which: x, y, z, w is put together here.
    "pose": tuple(f"pose_{axis}" for axis in ("x", "y", "z", "qx", "qy", "qz", "qw")),
    "velocity": tuple(f"vel_{axis}" for axis in ("x", "y", "z", "qx", "qy", "qz")),
    **{
        f"{group}_{quantity}": tuple(f"{short}_joint{number}" for number in numbers)
        for quantity, short in (("positions", "pos"), ("velocities", "vel"), ("efforts", "eff"))
        # Joints 8 and 9 are the fingers.
        for group, numbers in (("joint", range(1, 8)), ("gripper", (8, 9)))
    },
}
