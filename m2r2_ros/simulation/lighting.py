# SPDX-License-Identifier: Apache-2.0
"""How bright each lamp is in the course of a recording: daylight swings, people stand in it."""

from __future__ import annotations

import numpy as np

_SWING, _PERIOD_S = 0.25, (60.0, 240.0)
_SECONDS_A_SHADOW, _SHADOW_S, _DIMMED = 45.0, (2.0, 6.0), (0.15, 0.45)
_EDGE_S = 0.5  # in which a shadow comes and goes


class Lighting:
    """Called with a time [s]: a factor for each of the scene's lamps."""

    def __init__(self, duration_s: float, lamps: int, rng: np.random.Generator):
        self._lamps = lamps
        self._rate = 2 * np.pi / rng.uniform(*_PERIOD_S)
        self._phase = rng.uniform(0, 2 * np.pi)
        count = rng.poisson(duration_s / _SECONDS_A_SHADOW)
        self._starts = rng.uniform(0, duration_s, count)
        self._ends = self._starts + rng.uniform(*_SHADOW_S, count)
        self._depths = rng.uniform(*_DIMMED, count)
        self._lamp = rng.integers(lamps, size=count)

    def __call__(self, time_s: float) -> np.ndarray:
        factors = np.full(self._lamps, 1 + _SWING * np.sin(self._rate * time_s + self._phase))
        inside = np.minimum(time_s - self._starts, self._ends - time_s) / _EDGE_S
        np.multiply.at(factors, self._lamp, 1 - self._depths * np.clip(inside, 0, 1))
        return factors
