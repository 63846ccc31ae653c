# SPDX-License-Identifier: Apache-2.0
"""The rig of the REASSEMBLE data set: what holds where no robot file and no layout says otherwise.

`config/reassemble.yaml` says the same to the nodes.
"""

from __future__ import annotations

from types import MappingProxyType

from m2r2_ros.sensing.layout import AUDIO, SensorLayout

REFERENCE_CAMERA = "hama1"
FINGER_JOINTS = ("panda_finger_joint1", "panda_finger_joint2")

# The paper's encoder: of the cameras the two that look at the board.
REASSEMBLE_LAYOUT = SensorLayout(cameras=("hama1", "hama2"))

# What `m2r2 convert` writes.
DEFAULT_TOPICS = MappingProxyType(
    {
        "hama1": "/hama1/image_raw/compressed",
        "hama2": "/hama2/image_raw/compressed",
        "hand": "/hand/image_raw/compressed",
        AUDIO: "/hand/audio",
        "wrench": "/wrist/wrench",
        "pose": "/end_effector/pose",
        "twist": "/end_effector/twist",
        "gripper": "/gripper/joint_states",
    }
)
