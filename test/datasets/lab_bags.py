# SPDX-License-Identifier: Apache-2.0
"""Bags of robots that are not REASSEMBLE's: two arms, a tactile pad, joints; with labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from m2r2_ros.datasets.annotations import actions_to_json
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.topics import ANNOTATIONS_TOPIC
from m2r2_ros.messages.encode import TEXT, encode_joints, encode_text, encode_vectors
from m2r2_ros.signal_presets import JOINTS, POSE, TWIST, preset_of

EPOCH, SECOND, SECONDS = 1_700_000_000 * 10**9, 10**9, 5
PAD = "lab_msgs/msg/Float32ArrayStamped"
STORE = get_typestore(Stores.ROS2_HUMBLE)
STORE.register(get_types_from_msg("std_msgs/Header header\nfloat32[] data", PAD))
ACTIONS = ("Pick cup.", "No action.", "Tighten cap.", "No action.", "Pick cup.")

TWO_ARMS = """
window_rate_hz: 10.0
signals: [left_pose, left_twist, left_gripper, right_pose, right_twist, right_gripper]
"""
PAD_AND_JOINTS = """
signals:
  pad: {width: 16, preset: tactile, unit: kPa, range: [0, 400], rate_hz: 50}
  joint_effort: {width: 3, columns: [j3, j1, j2]}
  arm_joint_position: {width: 4}
  wrench_of_old: {width: 6, preset: none}
"""


@dataclass(frozen=True)
class Rig:
    """What is published: topic -> message type, its rate, its columns; and what each is for."""

    layout: str
    topics: dict[str, tuple[str, float, int]]
    modalities: dict[str, str]


ARMS = Rig(
    TWO_ARMS,
    {
        f"/{arm}/{name}": kind
        for arm in ("left", "right")
        for name, kind in {
            "pose": (POSE, 100.0, 7),
            "twist": (TWIST, 250.0, 6),
            "gripper": (JOINTS, 30.0, 2),
        }.items()
    },
    {f"{a}_{n}": f"/{a}/{n}" for a in ("left", "right") for n in ("pose", "twist", "gripper")},
)
# As ARMS, with message types that are installed everywhere only.
WORKCELL = Rig(
    """
signals:
  left_pose:
  left_twist:
  left_gripper:
  right_pose:
  right_twist:
  right_gripper:
  joint_effort: {width: 3, columns: [j3, j1, j2]}
  pad: {width: 16, unit: kPa, range: [0, 400], rate_hz: 50}
""",
    {**ARMS.topics, "/joint_states": (JOINTS, 200.0, 4), "/pad": (JOINTS, 60.0, 16)},
    {**ARMS.modalities, "joint_effort": "/joint_states", "pad": "/pad"},
)
HAND = Rig(
    PAD_AND_JOINTS,
    {"/pad": (PAD, 60.0, 16), "/joint_states": (JOINTS, 200.0, 4), "/six": (JOINTS, 90.0, 6)},
    {
        "pad": "/pad",
        # Two signals of one topic.
        "joint_effort": "/joint_states",
        "arm_joint_position": "/joint_states",
        "wrench_of_old": "/six",
    },
)


def messages(kind: str, stamps: np.ndarray, values: np.ndarray) -> Iterator[bytes]:
    if kind == PAD:
        types = STORE.types
        for stamp, row in zip(stamps.tolist(), values, strict=True):
            time = types["builtin_interfaces/msg/Time"](*divmod(stamp, SECOND))
            header = types["std_msgs/msg/Header"](time, "pad")
            message = types[PAD](header, row.astype(np.float32))
            yield bytes(STORE.serialize_cdr(message, PAD))
    elif kind == JOINTS:
        names = [f"j{index}" for index in range(values.shape[1])]
        yield from encode_joints(stamps, names, values, 2 * values, 3 * values)
    else:
        yield from encode_vectors(kind, stamps, values, "base")


def write_bag(path: Path, rig: Rig, seed: int) -> Path:
    random = np.random.default_rng(seed)
    sent = [(EPOCH, ANNOTATIONS_TOPIC, encode_text(actions_to_json(labels(), EPOCH)))]
    for topic, (kind, rate, columns) in rig.topics.items():
        count = int(SECONDS * rate)
        stamps = EPOCH + np.round(np.arange(count) * SECOND / rate).astype(np.int64)
        stamps += random.integers(0, 1_000_000, count)
        # Fingers are decimetres apart: a gripper of more than a metre is a fault.
        values = random.uniform(0.1, 0.2, (count, columns))
        values *= 1 + (np.arange(count) * len(ACTIONS) // count)[:, None] % 2
        if kind == POSE:
            values[:, 3:] /= np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
        made = messages(kind, stamps, values)
        sent += zip(stamps.tolist(), [topic] * count, made, strict=True)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = {ANNOTATIONS_TOPIC: TEXT} | {t: kind for t, (kind, *_) in rig.topics.items()}
        connections = {
            t: writer.add_connection(t, kind, typestore=STORE) for t, kind in kinds.items()
        }
        for stamp, topic, message in sorted(sent, key=lambda each: each[0]):
            writer.write(connections[topic], stamp, message)
    return path


def labels() -> list[Action]:
    length = SECONDS / len(ACTIONS)
    return [Action(i * length, (i + 1) * length, text, True, ()) for i, text in enumerate(ACTIONS)]


def write_robot(path: Path, rig: Rig, **parameters: object) -> Path:
    """The parameter file of the rig's nodes."""
    values = {"topics": rig.modalities, "gripper_joints": [], **parameters}
    signals = {name: {"unit": "m"} for name in rig.modalities if preset_of(name) == "gripper"}
    values |= {"signals": signals} if signals else {}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    return path
