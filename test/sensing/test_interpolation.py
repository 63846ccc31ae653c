# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.sensing.interpolation import (
    align_quaternions,
    canonical_quaternions,
    grid_ns,
    interpolate,
)


@given(
    st.lists(st.integers(-(10**8), 3 * 10**8), min_size=1, max_size=40, unique=True),
    st.integers(1, 200_000_000),
    st.integers(0, 2**32 - 1),
)
def test_every_column_equals_numpy_interp(stamps, duration, seed):
    times = np.sort(np.array(stamps, np.int64))
    values = np.random.default_rng(seed).standard_normal((len(times), 3))
    query = grid_ns(duration, 300)
    result = interpolate(times, values, query)
    for column in range(3):
        expected = np.interp(query, times, values[:, column])
        np.testing.assert_allclose(result[:, column], expected, rtol=0, atol=1e-9)


def test_golden_numbers():
    times = np.array([-1_000_000, 3_000_000, 5_000_000])
    values = np.array([[0.0, 10.0], [4.0, 2.0], [6.0, 2.0]])
    query = np.array([0, 3_000_000, 4_000_000, 9_000_000])
    expected = [[1.0, 8.0], [4.0, 2.0], [5.0, 2.0], [6.0, 2.0]]
    assert interpolate(times, values, query).tolist() == expected


@pytest.mark.parametrize(
    ("duration", "count"), [(1, 1), (3_333_333, 1), (3_333_334, 2), (100_000_000, 30)]
)
def test_the_grid_starts_at_zero_and_ends_before_the_duration(duration, count):
    grid = grid_ns(duration, 300)
    assert len(grid) == count
    assert grid[0] == 0
    assert grid[-1] < duration
    assert grid.tolist() == [k * 1_000_000_000 // 300 for k in range(count)]


def turn(angles: np.ndarray) -> np.ndarray:
    """Rotations about z as quaternions x y z w."""
    zero = np.zeros_like(angles)
    return np.stack([zero, zero, np.sin(angles / 2), np.cos(angles / 2)], axis=1)


def test_signs_do_not_matter_to_interpolated_rotations():
    truth = turn(np.linspace(0.0, 1.0, 11))
    flipped = truth * np.where(np.arange(11) % 3 == 0, -1.0, 1.0)[:, None]
    times = np.arange(11) * 10_000_000
    query = grid_ns(100_000_000, 300)
    result = canonical_quaternions(interpolate(times, align_quaternions(flipped), query))
    np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1.0, atol=1e-12)
    # Linear interpolation over 0.1 rad is off the great circle by less than 1e-4.
    np.testing.assert_allclose(result, turn(query / 1e8), atol=1e-4)


@given(st.sampled_from([-1.0, 1.0]), st.floats(-6, 6))
def test_the_sign_of_a_window_follows_from_its_first_row(sign, angle):
    rows = sign * turn(angle + np.linspace(0, 2, 9))
    result = canonical_quaternions(align_quaternions(rows))
    assert result[0, np.argmax(np.abs(result[0]))] > 0
    assert (np.einsum("ij,ij->i", result[1:], result[:-1]) > 0).all()
    np.testing.assert_array_equal(result, canonical_quaternions(align_quaternions(-rows)))
