# SPDX-License-Identifier: Apache-2.0
"""What a name tells of what it names: topics, frames and joints as drivers call them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Words of a topic that speak for a kind of signal.
WORDS = {
    "wrench": ("wrench", "force", "torque", "ft", "fts"),
    "pose": ("pose", "tcp", "ee", "eef", "effector", "tool", "flange"),
    "twist": ("twist", "velocity", "vel"),
    "gripper": ("gripper", "finger", "hand"),
    "joint_position": ("joint", "joints"),
    "joint_velocity": ("joint", "joints"),
    "joint_effort": ("joint", "joints"),
    "imu": ("imu",),
    "tactile": ("tactile", "pad", "taxel", "taxels"),
}
# Words of a topic that is not what is measured, or no picture in colour.
AVOIDED = frozenset(
    (
        *("desired", "target", "goal", "command", "commanded", "cmd", "setpoint", "reference"),
        *("bias", "depth", "infra", "infra1", "infra2", "ir", "aligned", "mask", "debug"),
        *("overlay", "map", "odom", "amcl", "initialpose", "world"),
    )
)
# A microphone there hears contacts best.
AT_TOOL = frozenset(("hand", "gripper", "wrist", "tool"))
# Frames of an end effector, the likeliest first, and those that an arm stands on.
_TIPS = (
    r"tool0|tcp|\w*_tcp|link_tcp|tool_center_point",
    r"end_effector\w*|\w*_ee|ee_link|eef\w*",
    r"\w*_hand_tcp|\w*_hand|tool\w*|flange|\w*_flange",
    r"\w*link_?[678]",
)
_ROOTS = (r"base_link", r"base|link_base|\w*_link0|\w*_base_link|\w*base", r"world")
# Joints of grippers, those that move the others first.
_FINGERS = (
    r"\w*finger_joint[12]",
    r"\w*left_knuckle_joint|drive_joint|\w*finger_joint",
    r"\w*(finger|gripper|knuckle|jaw)\w*",
)


def words_of(name: str) -> set[str]:
    """The words of a topic or a sensor: "/camera_left/image_raw" has camera, left, image, raw."""
    parts = re.split(r"[/_]+", name.lower())
    return {*filter(None, parts), *(part for part in name.lower().split("/") if part)}


def best_frame(frames: Iterable[str], is_tip: bool) -> str:
    """The frame that is most likely the end effector, or what the arm stands on; "" for none."""
    patterns = _TIPS if is_tip else _ROOTS
    found = [(_place(frame, patterns), len(frame), frame) for frame in frames]
    return min((each for each in found if each[0] < len(patterns)), default=(0, 0, ""))[2]


def finger_joints(joints: Sequence[str]) -> tuple[str, ...]:
    """Those joints that a gripper's width follows from: both fingers, or the one that moves all."""
    for number, pattern in enumerate(_FINGERS):
        found = tuple(name for name in joints if re.fullmatch(pattern, name))
        if found:
            return found if number == 0 else found[:1]
    return ()


def other_joints(joints: Sequence[str]) -> tuple[str, ...]:
    """The joints that are not a gripper's."""
    return tuple(name for name in joints if not re.fullmatch(_FINGERS[-1] + r"|drive_joint", name))


def _place(name: str, patterns: Sequence[str]) -> int:
    fitting = (n for n, each in enumerate(patterns) if re.fullmatch(each, name))
    return next(fitting, len(patterns))
