# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from m2r2_ros import labels
from m2r2_ros.simulation.board_layout import (
    BOARD_XY_M,
    KIT_XY_M,
    Layout,
    moved,
    poses_anywhere,
    sample_layout,
)
from m2r2_ros.simulation.objects import OBJECTS

FRANKA_REACH_M = 0.80  # with the hand pointing down at table height
BOLT_ON_BOARD_M = np.array([0.14948, -0.14485])  # of bolt 4, in the corner furthest away
seeds = st.integers(0, 2**32 - 1)


def test_the_objects_are_those_of_the_labels():
    assert sorted(thing.name for thing in OBJECTS) == sorted(labels.OBJECTS)
    assert len({thing.part for thing in OBJECTS}) == len(OBJECTS)


kinds = st.sampled_from(["training", "shifted", "anywhere"])


def layout_of(seed: int, kind: str) -> Layout:
    rng = np.random.default_rng(seed)
    layout = sample_layout(rng, frozenset(), shifted=kind == "shifted")
    return moved(layout, *poses_anywhere(rng)) if kind == "anywhere" else layout


@given(seeds, kinds)
@settings(max_examples=50, deadline=None)
def test_every_part_has_room_for_fingers_and_is_within_reach(seed, kind):
    layout = layout_of(seed, kind)
    spots = [np.array(layout.spots[thing.part][:2]) for thing in OBJECTS]
    assert min(np.linalg.norm(a - b) for a, b in combinations(spots, 2)) > 0.06
    assert max(np.linalg.norm(spot) for spot in spots) < FRANKA_REACH_M
    x, y, yaw = layout.board
    bolt = np.array([x, y]) + rotation(yaw) @ BOLT_ON_BOARD_M
    assert np.linalg.norm(bolt) < FRANKA_REACH_M - 0.02  # beneath a nut and its clearance


def rotation(yaw: float) -> np.ndarray:
    return np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_shifted_poses_lie_outside_of_the_training_range_on_every_axis(seed):
    for shifted in (False, True):
        layout = sample_layout(np.random.default_rng(seed), frozenset(), shifted)
        for pose, centre in ((layout.board, BOARD_XY_M), (layout.kit, KIT_XY_M)):
            offset = np.abs(np.array(pose) - (*centre, 0.0))
            assert (offset[:2] > 0.0249).all() if shifted else (offset[:2] < 0.0201).all()
            assert (offset[2] > 0.29) if shifted else (offset[2] < 0.262)


def test_board_and_kit_change_sides_as_often_as_not():
    sides = [np.sign(layout_of(seed, "anywhere").board[1]) for seed in range(400)]
    assert abs(np.mean(sides)) < 0.2


@given(seeds, kinds)
@settings(max_examples=50, deadline=None)
def test_board_and_kit_do_not_touch(seed, kind):
    layout = layout_of(seed, kind)
    cos, sin = np.cos(layout.board[2]), np.sin(layout.board[2])
    for x, y, _ in layout.spots.values():
        dx, dy = x - layout.board[0], y - layout.board[1]
        across = abs(cos * dx + sin * dy), abs(cos * dy - sin * dx)
        assert max(across) > 0.192 + 0.035  # half the board, half the largest part


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_same_seed_same_layout(seed):
    first, second = (sample_layout(np.random.default_rng(seed), frozenset()) for _ in range(2))
    assert first == second


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_moved_kit_is_filled_as_it_was(seed):
    layout = sample_layout(np.random.default_rng(seed), frozenset({"usb"}))
    board, kit = (0.5, -0.2, 0.1), (0.4, 0.3, -0.3)
    there = moved(layout, board, kit)
    assert (there.board, there.kit, there.on_board) == (board, kit, layout.on_board)
    turn = kit[2] - layout.kit[2]
    for name, (x, y, yaw) in layout.spots.items():
        offset = rotation(turn) @ (np.array([x, y]) - layout.kit[:2])
        assert np.allclose(there.spots[name], [*(kit[:2] + offset), yaw + turn])
    back = moved(there, layout.board, layout.kit)
    assert all(np.allclose(back.spots[name], spot) for name, spot in layout.spots.items())
