# SPDX-License-Identifier: Apache-2.0
"""How far each stream's clock is from the others, and how it drifts: what diagnostics tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from m2r2_ros.sensing.clock_majority import ClockMajority
from m2r2_ros.sensing.per_second import SECOND_NS

# An offset is the median of these seconds, a drift the slope over ten minutes, once it is
# known to a few ppm where a second's offset is known to 10 ms.
_OFFSET_BINS = 3
_DRIFT_BINS = 600
_DRIFT_FROM_BINS = 60
# More than that in a second is a step, of this clock or of those that it is compared with.
_STEP_NS = 250_000_000


@dataclass(frozen=True)
class ClockReading:
    """offset_s: ahead of the others, negative when behind; drift_ppm: None in the first minute."""

    offset_s: float
    drift_ppm: float | None

    def text(self, others: str) -> str:
        """As part of a sentence about the stream."""
        side = "ahead of" if self.offset_s > 0 else "behind"
        drift = "" if self.drift_ppm is None else f", drifting by {self.drift_ppm:+.0f} ppm"
        return f"{abs(self.offset_s):.3f} s {side} {others}{drift}"


class ClockOffsets:
    """Readings of each clock against the median of the others that keep step, a second a bin.

    A reading is as good as the interval of the slower stream, and has the time in it that a
    message needs on its way.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._number: int | None = None
        # Of the current second.
        self._readings: dict[str, list[int]] = {}
        # (second, offset [ns]) of those before.
        self._history: dict[str, deque[tuple[int, int]]] = {}

    def note(self, clocks: ClockMajority, moved: Collection[str], present_ns: int) -> None:
        """Read the clocks of the streams that have just moved."""
        number = present_ns // SECOND_NS
        if number != self._number:
            self._close_bin()
            self._number = number
        in_step = clocks.in_step()
        fresh = in_step & set(moved)
        for name in moved:
            # Others that have moved, too: who is silent between two samples is not behind.
            others = fresh - {name} or in_step - {name} or clocks.active - {name}
            if others:
                position = clocks.positions[name]
                others_ns = _middle([clocks.positions[other] for other in others], position)
                self._readings.setdefault(name, []).append(position - others_ns)

    def _close_bin(self) -> None:
        for name, readings in self._readings.items():
            history = self._history.setdefault(name, deque(maxlen=_DRIFT_BINS))
            offset_ns = sorted(readings)[len(readings) // 2]
            if history and abs(offset_ns - history[-1][1]) > _STEP_NS:
                history.clear()
            history.append((self._number, offset_ns))
        self._readings = {}

    def usual_ns(self, name: str) -> int:
        """How far a clock is ahead of the others, 0 in its first second."""
        history = self._history.get(name, ())
        recent = sorted(offset_ns for _, offset_ns in list(history)[-_OFFSET_BINS:])
        return recent[len(recent) // 2] if recent else 0

    def read(self) -> dict[str, ClockReading]:
        """What is known of each clock, from its second second on."""
        return {name: _read(np.array(history)) for name, history in self._history.items()}


def _middle(times: list[int], near_ns: int) -> int:
    """The median of the times; of the two in the middle the one that is nearer."""
    ordered = sorted(times)
    middle = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return min(middle, key=lambda time: abs(time - near_ns))


def _read(history: np.ndarray) -> ClockReading:
    """history: int64 (n, 2), n >= 1: second and offset [ns]."""
    seconds, offsets = history.T
    offset_s = float(np.median(offsets[-_OFFSET_BINS:])) / 1e9
    seconds = (seconds - seconds[0]) * (SECOND_NS / 1e9)
    if seconds[-1] < _DRIFT_FROM_BINS:
        return ClockReading(offset_s, None)
    return ClockReading(offset_s, float(np.polyfit(seconds, offsets, 1)[0]) / 1e3)
