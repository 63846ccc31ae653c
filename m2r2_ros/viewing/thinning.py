# SPDX-License-Identifier: Apache-2.0
"""As many samples of a stream as eyes can tell apart."""

from __future__ import annotations

import numpy as np


class Thinning:
    """Keeps the first sample of each stretch of 1 / `rate_hz` of each stream."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._last: dict[str, int] = {}

    def keeps(self, stream: str, stamps: np.ndarray) -> np.ndarray:
        """Which of a stream's samples, by their stamps int64 (N,) [ns]: bool (N,)."""
        slots = stamps // self._period_ns
        if not len(slots):
            return np.zeros(0, bool)
        before = np.concatenate(([self._last.get(stream, slots[0] - 1)], slots[:-1]))
        self._last[stream] = int(slots[-1])
        return slots != before

    def forget(self) -> None:
        """What comes next is kept, whatever came before."""
        self._last.clear()
