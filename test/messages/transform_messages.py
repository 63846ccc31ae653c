# SPDX-License-Identifier: Apache-2.0
"""TFMessages made by rosbags' own serialiser, and poses computed by pytransform3d."""

from __future__ import annotations

import numpy as np
from pytransform3d.transform_manager import TransformManager
from pytransform3d.transformations import pq_from_transform, transform_from_pq
from ros_messages import header, new, serialised

TF = "tf2_msgs/msg/TFMessage"


def transform(parent: str, child: str, stamp_ns: int, pose):
    """`pose`: x y z, quaternion x y z w."""
    body = new(
        "geometry_msgs/msg/Transform",
        new("geometry_msgs/msg/Vector3", *map(float, pose[:3])),
        new("geometry_msgs/msg/Quaternion", *map(float, pose[3:])),
    )
    stamped = header(stamp_ns, parent)
    return new("geometry_msgs/msg/TransformStamped", stamped, child, body)


def message(*transforms, little_endian=True) -> bytes:
    """(parent, child, stamp_ns, pose) each."""
    return serialised(new(TF, [transform(*each) for each in transforms]), little_endian)


def random_pose(rng: np.random.Generator) -> np.ndarray:
    quaternion = rng.normal(size=4)
    return np.concatenate((rng.uniform(-2, 2, 3), quaternion / np.linalg.norm(quaternion)))


def matrix(pose) -> np.ndarray:
    """float64 (4, 4)."""
    return transform_from_pq(np.concatenate((pose[:3], pose[6:7], pose[3:6])))


def pose_of(matrix: np.ndarray) -> np.ndarray:
    pq = pq_from_transform(matrix)
    return np.concatenate((pq[:3], pq[4:], pq[3:4]))


def expected_pose(edges: dict[tuple[str, str], np.ndarray], frame: str, child: str) -> np.ndarray:
    """The pose of `child` in `frame` by a graph of another library."""
    graph = TransformManager(strict_check=False)
    for (parent, name), pose in edges.items():
        graph.add_transform(name, parent, matrix(pose))
    return pose_of(graph.get_transform(child, frame))


def assert_same_pose(found, expected, atol=1e-9) -> None:
    """q and -q are one rotation."""
    found, expected = np.asarray(found), np.asarray(expected)
    np.testing.assert_allclose(found[:3], expected[:3], atol=atol)
    sign = np.sign(found[3:] @ expected[3:])
    np.testing.assert_allclose(sign * found[3:], expected[3:], atol=atol)
