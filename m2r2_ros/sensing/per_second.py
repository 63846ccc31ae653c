# SPDX-License-Identifier: Apache-2.0
"""Readings of streams, summed up once a second of stamps: that evens out what delivery does."""

from __future__ import annotations

from statistics import median_low

SECOND_NS = 1_000_000_000


class PerSecond:
    """Readings of several streams, sorted by the second of the present in which they were taken."""

    def __init__(self) -> None:
        self._seconds: dict[str, int] = {}
        self._readings: dict[str, list[int]] = {}
        # The first second that counts as a whole.
        self._from: dict[str, int] = {}

    def clear(self) -> None:
        for state in (self._seconds, self._readings, self._from):
            state.clear()

    def add(self, name: str, reading: int, present_ns: int) -> int | None:
        """Add one; returns the median of the stream's last second if this one begins another."""
        second = present_ns // SECOND_NS
        if second < self._from.get(name, second):
            return None
        # A present that goes back for a moment begins no second again.
        if second <= self._seconds.setdefault(name, second):
            self._readings.setdefault(name, []).append(reading)
            return None
        median = median_low(self._readings[name])
        self._seconds[name], self._readings[name] = second, [reading]
        return median

    def forget(self, name: str) -> None:
        for state in (self._seconds, self._readings, self._from):
            state.pop(name, None)

    def restart(self, name: str, since_ns: int) -> None:
        """Go by the whole seconds after this one."""
        self.forget(name)
        self._from[name] = since_ns // SECOND_NS + 1

    def whole_from_ns(self, name: str) -> int:
        """Where the first second begins that counts as a whole after a restart."""
        return self._from[name] * SECOND_NS
