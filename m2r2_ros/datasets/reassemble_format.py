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
