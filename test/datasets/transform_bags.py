# SPDX-License-Identifier: Apache-2.0
"""Bags of an arm that publishes its pose on /tf only, and no twist: as Kinova's driver does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from transform_messages import TF, expected_pose, message, random_pose

from m2r2_ros.messages.encode import encode_vectors
from m2r2_ros.signal_presets import WRENCH

EPOCH, SECOND, SECONDS = 1_700_000_000 * 10**9, 10**9, 4
MS = SECOND // 1000
# On /tf.
MESSAGES = SECONDS * 100
LAYOUT = """
signals: [wrench, pose, twist]
derived: {twist: pose}
"""
JOINTS = 7
TURNS = np.array([0.4, -0.3, 0.2, 0.5, -0.6, 0.3, 0.8])
_RNG = np.random.default_rng(1)
STATIC = {
    ("world", "base_link"): random_pose(_RNG),
    (f"link_{JOINTS}", "bracelet"): random_pose(_RNG),
    ("bracelet", "end_effector_link"): random_pose(_RNG),
    ("bracelet", "camera"): random_pose(_RNG),
}
LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    QosTime(0, 0),
    QosTime(0, 0),
    QosLiveliness.AUTOMATIC,
    QosTime(0, 0),
    False,
)


def joint_edges(seconds: float) -> dict[tuple[str, str], np.ndarray]:
    """Each joint turns about its z axis, 0.1 m above the one before."""
    names = ["base_link", *(f"link_{i}" for i in range(1, JOINTS + 1))]
    edges = {}
    for place, turn in enumerate(TURNS):
        half = 0.5 * turn * np.sin(2 * seconds + place)
        tilt = np.array([np.sin(0.4), 0, 0, np.cos(0.4)])
        x, _, _, w = tilt
        quaternion = (x * np.cos(half), -x * np.sin(half), w * np.sin(half), w * np.cos(half))
        edges[names[place], names[place + 1]] = np.array([0.02, 0, 0.1, *quaternion])
    return edges


def true_pose(
    seconds: float, frame: str = "base_link", child: str = "end_effector_link"
) -> np.ndarray:
    return expected_pose(joint_edges(seconds) | STATIC, frame, child)


def static_message() -> bytes:
    return message(*((*edge, EPOCH, pose) for edge, pose in STATIC.items()))


def write_bag(path: Path, with_static: bool = True) -> Path:
    rng = np.random.default_rng(0)
    stamps = EPOCH + np.arange(0, SECONDS * SECOND, 10 * MS) + rng.integers(0, MS, MESSAGES)
    sent = [(EPOCH, "/tf_static", static_message())] * with_static
    for stamp in stamps.tolist():
        edges = joint_edges((stamp - EPOCH) / SECOND)
        rows = [(*edge, stamp, pose) for edge, pose in edges.items()]
        other = ("world", "conveyor", stamp, random_pose(rng))
        sent.append((stamp + MS, "/tf", message(*rows, other)))
    wrench = EPOCH + np.arange(0, SECONDS * SECOND, 5 * MS)
    values = rng.uniform(-1, 1, (len(wrench), 6))
    encoded = encode_vectors(WRENCH, wrench, values, "ft")
    sent += zip(wrench.tolist(), ["/wrench"] * len(wrench), encoded, strict=True)
    store = get_typestore(Stores.ROS2_KILTED)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            "/wrench": writer.add_connection("/wrench", WRENCH, typestore=store),
            "/tf": writer.add_connection("/tf", TF, typestore=store),
        }
        if with_static:
            topics["/tf_static"] = writer.add_connection(
                "/tf_static", TF, typestore=store, offered_qos_profiles=[LATCHED]
            )
        for log_ns, topic, data in sorted(sent, key=lambda each: each[0]):
            writer.write(topics[topic], log_ns, data)
    return path


def write_robot(path: Path, **parameters: object) -> Path:
    pose = {"topic": "/tf", "frame": "base_link", "child_frame": "end_effector_link"}
    values = {"topics": {"wrench": "/wrench"}, "signals": {"pose": pose}, **parameters}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    return path
