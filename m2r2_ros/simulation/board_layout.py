# SPDX-License-Identifier: Apache-2.0
"""Where everything stands when a recording begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from m2r2_ros.simulation.objects import OBJECTS

BOARD_XY_M = (0.50, -0.20)
KIT_XY_M = (0.45, 0.27)

# x [m], y [m] and yaw [rad].
Pose = tuple[float, float, float]

# Offsets from those centres. Held-out poses lie outside of the training range in x, in y and in
# yaw; in y they only move apart, as the turned board and kit would touch otherwise, and in x only
# towards the robot: further away, bolt 4 would be out of the stretched arm's reach.
_TRAINING_M, _TRAINING_RAD = 0.02, np.pi / 12
_SHIFTED_M, _SHIFTED_RAD = (0.025, 0.04), (np.radians(17), np.radians(22))
# Anywhere: towards the robot and a little away from it, and apart, on either side.
_ANYWHERE_X_M, _ANYWHERE_Y_M, _ANYWHERE_RAD = (-0.03, 0.01), (0.0, 0.03), np.radians(20)

# Spots of the kit in its own frame, far enough apart for open fingers between neighbours.
_SPOTS_M = tuple((x, y) for y in (-0.15, -0.05, 0.05, 0.15) for x in (-0.14, -0.05, 0.04, 0.13))
_SPARE_SPOT_M = (0.20, -0.10)


@dataclass(frozen=True)
class Layout:
    """Planar poses (x m, y m, yaw rad) in the robot's base frame.

    `spots`: the kit spot of every part; `on_board`: parts that begin assembled.
    """

    board: tuple[float, float, float]
    kit: tuple[float, float, float]
    spots: dict[str, tuple[float, float, float]]
    on_board: frozenset[str]


def sample_layout(
    rng: np.random.Generator, on_board: frozenset[str], shifted: bool = False
) -> Layout:
    """A random board and kit pose and a random spot of the kit for every part.

    Poses are within 2 cm and 15 degrees of the centres, or with `shifted` 2.5 to 4 cm along each
    axis (nearer the robot, board and kit further apart) and 17 to 22 degrees away from them: a
    range that training never sees.
    """
    pose = _shifted_pose if shifted else _training_pose
    board, kit = pose(rng, BOARD_XY_M), pose(rng, KIT_XY_M)
    spots = (*_SPOTS_M, _SPARE_SPOT_M)
    order = rng.permutation(len(spots))
    placed = {}
    for thing, index in zip(OBJECTS, order, strict=True):
        x, y = np.array(spots[index]) + rng.uniform(-0.006, 0.006, 2)
        yaw = rng.uniform(-0.4, 0.4)
        placed[thing.part] = _compose(kit, (x, y, yaw))
    return Layout(board, kit, placed, on_board)


def moved(layout: Layout, board: Pose, kit: Pose) -> Layout:
    """The same arrangement of the kit, with board and kit at other poses."""
    spots = {
        name: _compose(kit, _seen_from(layout.kit, spot)) for name, spot in layout.spots.items()
    }
    return replace(layout, board=board, kit=kit, spots=spots)


def poses_anywhere(rng: np.random.Generator) -> tuple[Pose, Pose]:
    """Poses of board and kit, which change sides half of the time."""
    side = rng.choice((-1.0, 1.0))
    board, kit = (_pose_anywhere(rng, centre, side) for centre in (BOARD_XY_M, KIT_XY_M))
    return board, kit


def _pose_anywhere(rng: np.random.Generator, centre, side: float) -> Pose:
    x = centre[0] + rng.uniform(*_ANYWHERE_X_M)
    y = side * (centre[1] + np.sign(centre[1]) * rng.uniform(*_ANYWHERE_Y_M))
    return float(x), float(y), float(rng.uniform(-_ANYWHERE_RAD, _ANYWHERE_RAD))


def _training_pose(rng: np.random.Generator, centre) -> Pose:
    x, y = np.array(centre) + rng.uniform(-_TRAINING_M, _TRAINING_M, 2)
    return float(x), float(y), float(rng.uniform(-_TRAINING_RAD, _TRAINING_RAD))


def _shifted_pose(rng: np.random.Generator, centre) -> Pose:
    x = centre[0] - rng.uniform(*_SHIFTED_M)
    y = centre[1] + np.sign(centre[1]) * rng.uniform(*_SHIFTED_M)
    return float(x), float(y), float(rng.choice((-1, 1)) * rng.uniform(*_SHIFTED_RAD))


def _compose(frame, pose) -> Pose:
    """`pose`, given in `frame`, in the frame that `frame` is given in."""
    cos, sin = np.cos(frame[2]), np.sin(frame[2])
    return (
        float(frame[0] + cos * pose[0] - sin * pose[1]),
        float(frame[1] + sin * pose[0] + cos * pose[1]),
        float(frame[2] + pose[2]),
    )


def _seen_from(frame, pose) -> Pose:
    """`pose` in `frame`, both given in the same frame: undoes `_compose`."""
    cos, sin = np.cos(frame[2]), np.sin(frame[2])
    x, y = pose[0] - frame[0], pose[1] - frame[1]
    return float(cos * x + sin * y), float(cos * y - sin * x), float(pose[2] - frame[2])
