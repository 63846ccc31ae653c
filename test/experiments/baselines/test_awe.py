# SPDX-License-Identifier: Apache-2.0
"""Waypoints against a search through all subsets, and along paths whose corners are known."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2r2_ros.experiments.baselines.awe import waypoints


def distance_to_segment(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """By calculus on the parameter, one point at a time."""
    line = b - a
    length = line @ line
    t = 0.0 if length == 0 else min(1.0, max(0.0, (point - a) @ line / length))
    return float(np.linalg.norm(point - (a + t * line)))


def error_of(positions: np.ndarray, chosen: list[int]) -> float:
    return max(
        distance_to_segment(positions[k], positions[a], positions[b])
        for a, b in pairwise(chosen)
        for k in range(a, b + 1)
    )


def fewest(positions: np.ndarray, error: float) -> int:
    """Every subset, the small ones first."""
    last = len(positions) - 1
    for count in range(last):
        for between in combinations(range(1, last), count):
            if error_of(positions, [0, *between, last]) <= error:
                return count + 2
    raise AssertionError("all frames together have no error")


small_paths = st.integers(2, 9).flatmap(
    lambda count: st.lists(
        st.tuples(*[st.integers(-4, 4)] * 3), min_size=count, max_size=count
    ).map(lambda rows: np.array(rows, float))
)


# Half-integers and their neighbours would be decided by rounding.
@given(small_paths, st.sampled_from([0.01, 0.613, 1.237, 2.71]))
@settings(max_examples=60, deadline=None)
def test_as_few_as_any_subset(positions, error):
    found = waypoints(positions, error)
    assert found[0] == 0 and found[-1] == len(positions) - 1
    assert error_of(positions, found) <= error + 1e-9
    assert len(found) == fewest(positions, error)


def test_a_bound_for_long_paths_does_not_cut_any_solution():
    """More frames than a block holds, against the plain dynamic programme."""
    random = np.random.default_rng(3)
    positions = np.cumsum(random.normal(0, 0.01, (200, 3)), axis=0)
    error = 0.03
    cost = [0] + [10**6] * 199
    for end in range(1, 200):
        for start in range(end):
            line = positions[end] - positions[start]
            points = positions[start : end + 1] - positions[start]
            t = np.clip(points @ line / max(line @ line, 1e-300), 0, 1)
            if np.linalg.norm(points - t[:, None] * line, axis=1).max() <= error:
                cost[end] = min(cost[end], cost[start] + 1)
    assert len(waypoints(positions, error)) == cost[-1] + 1


def test_corners_of_straight_moves_with_a_rest():
    corners = np.array([[0, 0, 0], [0.4, 0, 0], [0.4, 0.3, 0], [0.4, 0.3, -0.2]])
    moves = [np.linspace(a, b, 100, endpoint=False) for a, b in pairwise(corners)]
    rest = np.repeat(corners[-1:], 50, axis=0)
    found = waypoints(np.concatenate([*moves, rest]), 1e-4)
    assert found[:3] == [0, 100, 200]
    assert len(found) == 5 or found[3] >= 299


@pytest.mark.parametrize("count", [1, 2])
def test_shortest_recordings(count):
    assert waypoints(np.zeros((count, 3)), 0.01) == list(range(count))
