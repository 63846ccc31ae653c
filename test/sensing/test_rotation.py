# SPDX-License-Identifier: Apache-2.0
"""Composed, inverted and subtracted poses, against pytransform3d."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytransform3d.rotations import compact_axis_angle_from_quaternion, q_prod_vector
from pytransform3d.transformations import concat, invert_transform, pq_from_transform
from pytransform3d.transformations import transform_from_pq as from_pq

from m2r2_ros.sensing.rotation import (
    compose,
    inverse,
    multiply,
    normalised,
    rotate,
    rotation_vector,
)


def random_poses(seed: int, count: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    poses = rng.normal(size=(count, 7))
    poses[:, 3:] /= np.linalg.norm(poses[:, 3:], axis=1, keepdims=True)
    return poses


def matrix(pose: np.ndarray) -> np.ndarray:
    return from_pq(np.concatenate((pose[:3], pose[6:], pose[3:6])))


def same(found: np.ndarray, expected: np.ndarray) -> None:
    """`expected`: float64 (4, 4)."""
    pq = pq_from_transform(expected)
    quaternion = np.concatenate((pq[4:], pq[3:4]))
    sign = np.sign(quaternion @ found[3:])
    np.testing.assert_allclose(found[:3], pq[:3], atol=1e-12)
    np.testing.assert_allclose(sign * found[3:], quaternion, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 2))
def test_poses_are_composed_and_inverted_as_matrices_are(seed):
    first, second = random_poses(seed), random_poses(seed + 1)
    for one, other, joined, back in zip(
        first, second, compose(first, second), inverse(first), strict=True
    ):
        same(joined, concat(matrix(other), matrix(one)))
        same(back, invert_transform(matrix(one)))
        np.testing.assert_allclose(
            rotate(one[3:], other[:3]), q_prod_vector(one[[6, 3, 4, 5]], other[:3]), atol=1e-12
        )


def test_a_quaternion_without_length_is_no_rotation():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(normalised(np.zeros((2, 7)), np.inf)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 2), st.integers(1, 20))
def test_a_row_has_the_same_bits_in_a_batch_of_any_size(seed, count):
    first, second = random_poses(seed), random_poses(seed + 1)
    joined, vectors = compose(first, second), rotation_vector(first[:, 3:])
    units = normalised(first * 1.003)
    for start in range(0, 20, count):
        part = slice(start, start + count)
        assert compose(first[part], second[part]).tobytes() == joined[part].tobytes()
        assert rotation_vector(first[part, 3:]).tobytes() == vectors[part].tobytes()
        assert normalised(first[part] * 1.003).tobytes() == units[part].tobytes()


@pytest.mark.parametrize("size", [0, 1e-300, 1e-12, 1e-9, 1e-6, 0.1, 1, 3.1415, np.pi])
def test_the_rotation_vector_is_that_of_q_and_of_minus_q(size):
    axis = np.array([0.36, -0.48, 0.8])
    q = np.array([[*(axis * np.sin(size / 2)), np.cos(size / 2)]])
    np.testing.assert_allclose(rotation_vector(q)[0], size * axis, rtol=1e-12, atol=1e-300)
    if size < np.pi:
        np.testing.assert_allclose(rotation_vector(-q)[0], size * axis, rtol=1e-12, atol=1e-300)
        expected = compact_axis_angle_from_quaternion(q[0, [3, 0, 1, 2]])
        np.testing.assert_allclose(rotation_vector(q)[0], expected, atol=1e-7)


def test_the_product_is_hamiltons():
    i, j, k = np.eye(4)[:3]
    assert multiply(i, j).tolist() == k.tolist() and multiply(j, i).tolist() == (-k).tolist()
