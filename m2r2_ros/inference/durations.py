# SPDX-License-Identifier: Apache-2.0
"""How probable it is that a label still goes on after some time: log-normal, with a floor.

A small part of all segments, `FLOOR`, ends at any time, whatever their label: an arm that is
stopped, a label that is rare. Without it no evidence could move the end of a segment out of what
training has seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from m2r2_ros.inference.procedure import Duration

FLOOR = 0.02
# The table is linear between these many times, 5 % apart at most: finer than any spread.
_TIMES = 400
_FIRST_S = 0.005


class Durations:
    """Cumulative hazard of C classes: minus the logarithm of the probability of lasting longer."""

    def __init__(self, durations: Sequence[Duration]) -> None:
        # The mean of the floor: twice as long as the longest label takes.
        self._mean_s = 2 * max(duration.mean_s for duration in durations)
        self._times = np.concatenate(
            [[0.0], np.geomspace(_FIRST_S, max(50 * self._mean_s, 1.0), _TIMES)]
        )
        erfc = np.frompyfunc(math.erfc, 1, 1)
        median = np.array([duration.median_s for duration in durations])[:, None]
        spread = np.array([duration.spread for duration in durations])[:, None]
        z = np.log(self._times[1:] / median) / (spread * math.sqrt(2))
        lasting = 0.5 * erfc(z).astype(np.float64)
        floor = np.exp(-self._times[1:] / self._mean_s)
        hazard = -np.log((1 - FLOOR) * lasting + FLOOR * floor)
        # The floor alone, where it has nothing left beside it.
        self._table = np.concatenate([np.zeros_like(median), np.maximum(hazard, 0.0)], axis=1)

    def hazard(self, elapsed_s: np.ndarray) -> np.ndarray:
        """(C, K) at K times [s]; 0 at 0, never falling."""
        last = len(self._times) - 1
        right = np.searchsorted(self._times, elapsed_s, side="right").clip(1, last)
        left_s, right_s = self._times[right - 1], self._times[right]
        weight = ((elapsed_s - left_s) / (right_s - left_s)).clip(0.0, 1.0)
        # Beyond the table only the floor is left, whose hazard rises evenly.
        beyond = np.maximum(elapsed_s - self._times[-1], 0.0) / self._mean_s
        left, right = self._table[:, right - 1], self._table[:, right]
        return left + weight * (right - left) + beyond
