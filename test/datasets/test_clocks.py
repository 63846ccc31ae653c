# SPDX-License-Identifier: Apache-2.0
"""Properties of the repairs of recorded clocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from m2r2_ros.datasets.clocks import (
    MAX_GAP_NS,
    increasing,
    on_clock,
    quaternion_order,
    to_nanoseconds,
)

stamps_lists = st.lists(st.integers(-(2**60), 2**60), max_size=60)


@given(stamps_lists)
def test_what_is_kept_increases(stamps):
    stamps = np.array(stamps, np.int64)
    kept = stamps[increasing(stamps)]
    assert (np.diff(kept) > 0).all()
    assert len(kept) or not len(stamps)


@given(st.lists(st.integers(0, 10**15), unique=True, max_size=60))
def test_a_good_clock_loses_nothing(stamps):
    assert increasing(np.array(sorted(stamps), np.int64)).all()


@given(st.integers(5, 40), st.data())
def test_one_wild_stamp_costs_one_sample(count, data):
    stamps = np.arange(count) * 10**6
    place = data.draw(st.integers(0, count - 1))
    stamps[place] = data.draw(st.sampled_from([-(10**15), 10**15]))
    mask = increasing(stamps)
    assert mask.sum() >= count - 1


def test_repeats_and_steps_back():
    stamps = np.array([0, 1, 1, 2, 5, 3, 4, 6])
    assert stamps[increasing(stamps)].tolist() in ([0, 1, 2, 5, 6], [0, 1, 2, 3, 4, 6])


@settings(max_examples=200)
@given(npst.arrays(np.float64, st.integers(0, 30), elements=st.floats(width=64)))
def test_seconds_of_any_value(times):
    stamps, usable = to_nanoseconds(times)
    assert stamps.dtype == np.int64 and stamps.shape == usable.shape == times.shape
    assert (np.diff(stamps[usable]) > 0).all()
    assert (
        np.abs(stamps[usable] / 1e9 - times[usable]) <= 1e-9 * (1 + np.abs(times[usable]))
    ).all()


def test_seconds_are_rounded_not_cut():
    stamps, usable = to_nanoseconds(np.array([0.1, 0.2, 0.3, np.nan, 0.7, 1e300]))
    assert stamps[:3].tolist() == [100_000_000, 200_000_000, 300_000_000]
    assert usable.tolist() == [True, True, True, False, True, False]


@given(st.data())
def test_interpolation_against_numpy(data):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    stamps = np.cumsum(random.integers(1, MAX_GAP_NS, data.draw(st.integers(1, 30))))
    targets = np.sort(random.integers(stamps[0] - 10**8, stamps[-1] + 10**8, 20))
    values = random.normal(size=(len(stamps), 2))
    result = on_clock(targets, stamps, values)
    inside = (targets >= stamps[0]) & (targets <= stamps[-1])
    assert np.isnan(result[~inside]).all()
    for column in range(2):
        expected = np.interp(targets[inside], stamps, values[:, column])
        np.testing.assert_allclose(result[inside, column], expected, atol=1e-12)


def test_interpolation_invents_nothing():
    stamps = np.array([0, 10, 20, 20 + 10 * MAX_GAP_NS, 30 + 10 * MAX_GAP_NS])
    values = np.array([[1.0], [np.nan], [3.0], [4.0], [5.0]])
    targets = np.array([-1, 0, 5, 10, 20, 21, 20 + 10 * MAX_GAP_NS, 25 + 10 * MAX_GAP_NS])
    expected = [np.nan, 1.0, np.nan, np.nan, 3.0, np.nan, 4.0, 4.5]
    np.testing.assert_array_equal(on_clock(targets, stamps, values)[:, 0], expected)
    assert np.isnan(on_clock(targets, np.zeros(0, np.int64), np.zeros((0, 1)))).all()


def test_the_same_clock_changes_no_bit():
    values = np.random.default_rng(0).normal(size=(5, 3))
    assert on_clock(np.arange(5), np.arange(5), values) is values


def tool(tilt_degrees, yaw_degrees):
    """x, y, z, w of a tool that points down, turned about z, then tilted about x."""
    half_yaw, half = np.deg2rad(yaw_degrees) / 2, np.deg2rad(180 + tilt_degrees) / 2
    x, w = np.sin(half), np.cos(half)
    cos, sin = np.cos(half_yaw), np.sin(half_yaw)
    return np.array([cos * x, sin * x, sin * w, cos * w])


@pytest.mark.parametrize("yaw", [-120, -60, -30, 0, 30, 45, 90, 120])
@pytest.mark.parametrize("tilt", [0, 5, 15])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_order_shows_when_the_tool_points_down(yaw, tilt, sign):
    quaternions = sign * np.tile(tool(tilt, yaw), (9, 1))
    quaternions[0] = np.nan
    assert quaternion_order(quaternions) == "xyzw"
    assert quaternion_order(quaternions[:, [3, 0, 1, 2]]) == "wxyz"


def test_the_order_does_not_show():
    assert quaternion_order(np.full((5, 4), 0.5)) is None
    assert quaternion_order(np.full((5, 4), np.nan)) is None
    assert quaternion_order(np.zeros((0, 4))) is None
    assert quaternion_order(np.zeros((3, 4))) is None
