# SPDX-License-Identifier: Apache-2.0
"""How often the frames of a folder of features come, and which of them a head takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.inference.metadata import MOST_RATE_HZ, MOST_SAMPLE_RATE

# M2R2's features, where nobody says how often frames come.
ASSUMED_HZ = 10.0
# Rates that differ by no more than this are the same: frames do not come evenly.
_TOLERANCE = 0.1
# Frames a second: a frame of 1000 s, and one of an array of sensors.
_LEAST_RATE_HZ, _MOST_RATE_HZ = 1e-3, 1e4

Rows = TypeVar("Rows", list, np.ndarray)


@dataclass(frozen=True)
class FrameRate:
    """`rate_hz` frames a second, of which a head takes every `sample_rate`-th from the first on.

    `sample_rate` is MS-TCN's: 2 for 50Salads, 30 frames a second of which 15 are seen.
    """

    rate_hz: float = ASSUMED_HZ
    sample_rate: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.rate_hz < MOST_RATE_HZ:
            raise M2R2Error(f"--rate must be in (0, {MOST_RATE_HZ:g}), got {self.rate_hz:g}")
        if not 1 <= self.sample_rate <= MOST_SAMPLE_RATE:
            raise M2R2Error(
                f"--sample-rate must be in [1, {MOST_SAMPLE_RATE}], got {self.sample_rate}"
            )

    @property
    def head_hz(self) -> float:
        """Frames a second that the head takes."""
        return self.rate_hz / self.sample_rate

    def sampled(self, rows: Rows) -> Rows:
        """What the head takes of T rows."""
        return rows[:: self.sample_rate]

    def repeated(self, rows: Rows, frames: int) -> Rows:
        """Rows about the frames that a head took as rows about all `frames` frames.

        Each stands until the next, as in MS-TCN's code.
        """
        if isinstance(rows, np.ndarray):
            return np.repeat(rows, self.sample_rate, axis=0)[:frames]
        return [row for row in rows for _ in range(self.sample_rate)][:frames]

    def message_edges(self, edges_s: np.ndarray) -> np.ndarray:
        """Where the frames that the head takes end, after where the first frame begins.

        Of edges (T + 1,) of all frames. A message about a frame is stamped at that frame's end.
        """
        return np.concatenate([edges_s[:1], edges_s[1 :: self.sample_rate]])


def same_rate(one_hz: float, other_hz: float) -> bool:
    """Whether two rates are the same but for frames that do not come evenly."""
    return math.isclose(one_hz, other_hz, rel_tol=_TOLERANCE)


def checked_rate(rate_hz: Any, what: str) -> float:
    """Frames a second. Raises M2R2Error."""
    if type(rate_hz) not in (int, float) or not _LEAST_RATE_HZ <= rate_hz <= _MOST_RATE_HZ:
        raise M2R2Error(
            f"{what} must be frames a second, got {brief(rate_hz)}: from {_LEAST_RATE_HZ:g} to "
            f"{_MOST_RATE_HZ:g}"
        )
    return float(rate_hz)


def check_times(times_s: Sequence[Any], rate_hz: float, what: str) -> None:
    """Raise M2R2Error unless frame k is stamped k / rate, to half a frame."""
    for number, time_s in enumerate(times_s):
        if type(time_s) is not float or not abs(time_s * rate_hz - number) <= 0.5:
            raise M2R2Error(
                f"{what}: frame {number} is stamped {brief(time_s)} s, and meta/info.json says "
                f"{rate_hz:g} frames a second: correct the one that is wrong"
            )
