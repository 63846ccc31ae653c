# SPDX-License-Identifier: Apache-2.0
"""Turns about the vertical: the nearest of those that look alike, and vectors turned."""

from __future__ import annotations

import numpy as np

_MANY_TURNS = 6


def wrap(angle: float, period: float) -> float:
    """The equivalent angle nearest to zero."""
    return float((angle + period / 2) % period - period / 2)


def nearest_turn(turn: float, turns: int, hand_yaw: float) -> float:
    """The turn of the hand, among those that look the same, that ends nearest to yaw zero.

    With many (a gear's teeth), the smallest turn.
    """
    if turns == 0:
        return 0.0
    period = 2 * np.pi / turns
    if turns > _MANY_TURNS:
        return wrap(turn, period)
    return wrap(turn + hand_yaw, period) - hand_yaw


def rotate(yaw: float, vector: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([cos * vector[0] - sin * vector[1], sin * vector[0] + cos * vector[1],
                     vector[2]])  # fmt: skip


def circle(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle), 0.0])
