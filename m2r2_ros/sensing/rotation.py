# SPDX-License-Identifier: Apache-2.0
"""Poses as rows x y z, quaternion x y z w: composed, inverted, and their difference as a rotation.

Plain products and sums in a fixed order, so that a row's result has the same bits in a batch of any
size. Quaternions of unit length.
"""

from __future__ import annotations

import numpy as np

POSITION, ORIENTATION = slice(0, 3), slice(3, 7)
# tf2 refuses a quaternion whose squared length is further from 1 than this.
NORM_TOLERANCE = 0.01


def compose(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The pose `second`, given in the frame of the pose `first`: float64 (n, 7) or (7,) each."""
    q = first[..., ORIENTATION]
    turned = rotate(q, second[..., POSITION])
    joined = multiply(q, second[..., ORIENTATION])
    return np.concatenate((first[..., POSITION] + turned, joined), axis=-1)


def inverse(pose: np.ndarray) -> np.ndarray:
    """float64 (..., 7)."""
    q = conjugate(pose[..., ORIENTATION])
    return np.concatenate((-rotate(q, pose[..., POSITION]), q), axis=-1)


def conjugate(q: np.ndarray) -> np.ndarray:
    return q * np.array([-1.0, -1.0, -1.0, 1.0])


def multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Hamilton product of float64 (..., 4), x y z w."""
    ax, ay, az, aw = _columns(first)
    bx, by, bz, bw = _columns(second)
    return np.stack(
        (
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by + ay * bw + az * bx - ax * bz,
            aw * bz + az * bw + ax * by - ay * bx,
            aw * bw - ax * bx - ay * by - az * bz,
        ),
        axis=-1,
    )


def rotate(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """float64 (..., 3): v + 2 w (u x v) + 2 u x (u x v) with q = (u, w)."""
    axis = q[..., :3]
    once = 2.0 * _cross(axis, vector)
    return vector + q[..., 3:] * once + _cross(axis, once)


def rotation_vector(q: np.ndarray) -> np.ndarray:
    """Axis times angle [rad], at most half a turn: the same for q and -q. float64 (n, 4) -> (n, 3).

    angle / sin(angle / 2) tends to 2 for small angles, where the quotient is 0 / 0.
    """
    x, y, z, w = _columns(q)
    sine = np.sqrt(x * x + y * y + z * z)
    angle = 2.0 * np.arctan2(sine, np.abs(w))
    is_small = sine < 1e-9
    scale = np.where(is_small, 2.0, angle / np.where(is_small, 1.0, sine))
    return q[..., :3] * (np.where(w < 0, -scale, scale))[..., None]


def normalised(pose: np.ndarray, tolerance: float = NORM_TOLERANCE) -> np.ndarray:
    """Rows with quaternions of unit length; NaN where one is no rotation. float64 (n, 7)."""
    x, y, z, w = _columns(pose[..., ORIENTATION])
    with np.errstate(invalid="ignore", over="ignore"):
        squared = x * x + y * y + z * z + w * w
        is_unit = (np.abs(squared - 1.0) <= tolerance) & (squared > 0.0)
    length = np.sqrt(np.where(is_unit, squared, 1.0))[..., None]
    unit = np.concatenate((pose[..., POSITION], pose[..., ORIENTATION] / length), axis=-1)
    return np.where(
        is_unit[..., None] & np.isfinite(pose).all(axis=-1, keepdims=True), unit, np.nan
    )


def _columns(array: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(array[..., column] for column in range(array.shape[-1]))


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    ax, ay, az = _columns(first)
    bx, by, bz = _columns(second)
    return np.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), axis=-1)
