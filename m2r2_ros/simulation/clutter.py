# SPDX-License-Identifier: Apache-2.0
"""Boxes, tins and tools on the table, and the room behind it."""

from __future__ import annotations

import numpy as np

from m2r2_ros.simulation.scenery import BOX, CYLINDER, ELLIPSOID, Shape

_THINGS = (6, 14)
# Where they stand: around board and kit, and not on the robot's foot.
_TABLE_X_M, _TABLE_Y_M = (-0.1, 1.0), (-0.9, 0.9)
_FOOT_M = 0.2
_BOARD_AND_KIT_X_M, _BOARD_AND_KIT_Y_M = (0.15, 0.78), (-0.52, 0.56)


def clutter(rng: np.random.Generator) -> list[Shape]:
    """What lies about in one recording."""
    return [_thing(rng) for _ in range(rng.integers(_THINGS[0], _THINGS[1] + 1))]


def _thing(rng: np.random.Generator) -> Shape:
    x, y = _free_place(rng)
    half = np.array([rng.uniform(0.015, 0.08), rng.uniform(0.01, 0.05), rng.uniform(0.006, 0.06)])
    kind = (BOX, BOX, CYLINDER, ELLIPSOID)[rng.integers(4)]
    if kind == CYLINDER:
        half[1] = half[2]  # radius, half of the height
    height = half[1] if kind == CYLINDER else half[2]
    rgb = tuple(rng.uniform(0.05, 0.95, 3))
    return Shape(kind, tuple(half), (x, y, float(height)), rng.uniform(0, np.pi), rgb)


def _free_place(rng: np.random.Generator) -> tuple[float, float]:
    while True:
        x, y = rng.uniform(*_TABLE_X_M), rng.uniform(*_TABLE_Y_M)
        at_work = (
            _BOARD_AND_KIT_X_M[0] < x < _BOARD_AND_KIT_X_M[1]
            and _BOARD_AND_KIT_Y_M[0] < y < _BOARD_AND_KIT_Y_M[1]
        )
        if not at_work and np.hypot(x, y) > _FOOT_M:
            return float(x), float(y)


def room() -> list[Shape]:
    """Two walls, a dark curtain and the floor, which a camera that stands low looks at."""
    return [
        Shape(BOX, (0.02, 3.0, 2.0), (-1.6, 0.0, 0.8), 0.0, (0.75, 0.75, 0.73)),
        Shape(BOX, (0.02, 0.9, 2.0), (-1.5, -0.9, 0.8), 0.0, (0.10, 0.10, 0.11)),
        Shape(BOX, (2.0, 0.02, 2.0), (0.0, 2.2, 0.8), 0.0, (0.68, 0.68, 0.66)),
        Shape(BOX, (2.0, 0.02, 2.0), (0.0, -2.2, 0.8), 0.0, (0.70, 0.70, 0.69)),
        Shape(BOX, (4.0, 4.0, 0.01), (0.0, 0.0, -0.75), 0.0, (0.45, 0.45, 0.44)),
    ]
