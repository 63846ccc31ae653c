# SPDX-License-Identifier: Apache-2.0
"""How long after its stamp each message is out: quantiles of the last minute."""

from __future__ import annotations

import time
from collections import deque
from math import nan

import numpy as np

_MINUTE_S = 60.0
# As many readings as ten minutes of the usual rate, 10 Hz, have: memory is bounded at any rate.
_MOST = 6000
# Before there are so many, one slow start would speak for all.
_FEWEST = 20
# Further from this machine's time than that, stamps are a recording's or another machine's.
_OTHER_CLOCK_NS = 60_000_000_000
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Latency:
    """Of one kind of message. A reading costs the same however many there were.

    apart_s   how far the last stamp was behind this machine's time where that is no latency but
              another clock, else None.
    """

    def __init__(self, name: str) -> None:
        """`name`: what the values in the diagnostics begin with."""
        self.name = name
        self.apart_s: float | None = None
        # When each was read [s of a steady clock], and the reading [ms].
        self._times: deque[float] = deque(maxlen=_MOST)
        self._readings: deque[float] = deque(maxlen=_MOST)

    def note(self, stamp_ns: int, now_ns: int, steady_s: float | None = None) -> None:
        """A message of that stamp goes out now."""
        late_ns = now_ns - stamp_ns
        if abs(late_ns) > _OTHER_CLOCK_NS:
            self.apart_s = late_ns / 1e9
            return
        self.apart_s = None
        steady_s = time.monotonic() if steady_s is None else steady_s
        self._times.append(steady_s)
        self._readings.append(late_ns / 1e6)
        self._forget(steady_s)

    def quantiles(self, steady_s: float | None = None) -> dict[str, float]:
        """p50, p95 and p99 of the last minute [ms]; NaN without a reading."""
        self._forget(time.monotonic() if steady_s is None else steady_s)
        if not self._readings:
            return dict.fromkeys(_QUANTILES, nan)
        values = np.quantile(self._readings, list(_QUANTILES.values()))
        return dict(zip(_QUANTILES, map(float, values), strict=True))

    def values(self) -> dict[str, float]:
        """For the diagnostics."""
        values = {f"{self.name}_{q}_ms": value for q, value in self.quantiles().items()}
        return values if self.apart_s is None else values | {f"{self.name}_apart_s": self.apart_s}

    def complaint(self, what: str, period_ms: float) -> str:
        """A line where `what` comes later than a window takes, or before its stamp; else ""."""
        quantiles = self.quantiles()
        if len(self._readings) < _FEWEST:
            return ""
        if quantiles["p50"] < 0:
            ahead_ms = -quantiles["p50"]
            return f"stamps are {ahead_ms:.0f} ms ahead of this machine's clock when {what} are out"
        if quantiles["p95"] <= period_ms:
            return ""
        return (
            f"{what} come {quantiles['p95']:.0f} ms after their stamps (p95 of a minute), later "
            f"than a window of {period_ms:.0f} ms"
        )

    def _forget(self, steady_s: float) -> None:
        while self._times and self._times[0] < steady_s - _MINUTE_S:
            self._times.popleft()
            self._readings.popleft()


class LongestWait:
    """The longest that anything has waited since somebody asked."""

    def __init__(self) -> None:
        self._longest_ns = 0

    def note(self, waited_ns: int) -> None:
        if waited_ns > self._longest_ns:
            self._longest_ns = waited_ns

    def take_ms(self) -> float:
        longest_ns, self._longest_ns = self._longest_ns, 0
        return longest_ns / 1e6
