# SPDX-License-Identifier: Apache-2.0
"""Cables: those on the table lie still, the one from the arm's shoulder to its hand swings."""

from __future__ import annotations

import numpy as np

from m2r2_ros.simulation.scenery import Limb, chain

_ON_TABLE = (3, 6)
_RADIUS_M = 0.004
_PIECES = 12
SHOULDER_M = np.array([0.0, 0.08, 0.55])  # where the arm's cable is tied
CABLE_M = 1.1
_BLACK = (0.06, 0.06, 0.07)


def on_table(rng: np.random.Generator) -> list[Limb]:
    """Cables that wind from one edge of the table to another."""
    found = []
    for _ in range(rng.integers(_ON_TABLE[0], _ON_TABLE[1] + 1)):
        side = rng.choice((-1.0, 1.0))
        start = np.array([rng.uniform(0.75, 1.15), side * rng.uniform(0.2, 1.1)])
        end = np.array([rng.uniform(-0.3, 0.4), side * rng.uniform(0.6, 1.1)])
        share = np.linspace(0, 1, _PIECES)[:, None]
        aside = rng.normal(0, 0.05, (_PIECES, 2)).cumsum(axis=0) * np.sin(np.pi * share)
        points = np.c_[start + share * (end - start) + aside, np.full(_PIECES, _RADIUS_M)]
        rgb = _BLACK if rng.uniform() < 0.7 else tuple(rng.uniform(0.1, 0.8, 3))
        found += chain(points, _RADIUS_M, rgb)
    return found


def to_hand(hand: np.ndarray) -> list[Limb]:
    """The cable that hangs from the shoulder to the hand (3,) [m]."""
    return chain(hanging(SHOULDER_M, hand, CABLE_M), 1.5 * _RADIUS_M, _BLACK)


def hanging(start: np.ndarray, end: np.ndarray, length_m: float) -> np.ndarray:
    """Points (N, 3) of a cable of this length between two points: a parabola, near a catenary.

    The sag is that of a shallow parabola, length = way + 8 sag^2 / (3 way); 0 where it is taut.
    """
    way = float(np.linalg.norm(end - start))
    sag = np.sqrt(max(0.0, 3 / 8 * way * (length_m - way)))
    share = np.linspace(0, 1, _PIECES + 1)[:, None]
    return start + share * (end - start) - 4 * sag * share * (1 - share) * np.array([0, 0, 1.0])
