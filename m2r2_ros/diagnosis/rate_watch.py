# SPDX-License-Identifier: Apache-2.0
"""Rates of topics and their gaps, told while messages come."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

# A topic is silent when it has paused for so many of its usual intervals, and so long at least.
_SILENT_INTERVALS, _SILENT_S = 5.0, 0.5
_WINDOW_S = 2.0
_NS = 1e9


class _TopicWatch:
    def __init__(self) -> None:
        # (arrival [s], messages) of the last seconds.
        self._recent: deque[tuple[float, int]] = deque()
        self._usual_s = 0.0
        self.last_s = self.longest_s = 0.0
        self.gaps = 0

    def note(self, arrivals: Sequence[int]) -> None:
        for arrival_ns in arrivals:
            now_s = arrival_ns / _NS
            if self.last_s:
                pause_s = max(0.0, now_s - self.last_s)
                if self._is_long(pause_s):
                    self.gaps += 1
                    self.longest_s = max(self.longest_s, pause_s)
                else:
                    self._usual_s += (pause_s - self._usual_s) / 50 if self._usual_s else pause_s
            self.last_s = now_s
        if arrivals:
            self._recent.append((self.last_s, len(arrivals)))

    def rate_hz(self, now_s: float) -> float:
        while self._recent and self._recent[0][0] < now_s - _WINDOW_S:
            self._recent.popleft()
        return sum(count for _, count in self._recent) / _WINDOW_S

    def silent_s(self, now_s: float) -> float:
        """How long nothing has come, 0 while that is usual."""
        pause_s = now_s - self.last_s
        return pause_s if self._is_long(pause_s) else 0.0

    def _is_long(self, pause_s: float) -> bool:
        return bool(self._usual_s) and pause_s > max(_SILENT_S, _SILENT_INTERVALS * self._usual_s)


class RateWatch:
    """Of many topics. What never comes twice (/tf_static) is never silent."""

    def __init__(self) -> None:
        self._topics: dict[str, _TopicWatch] = {}
        self._silent: set[str] = set()

    def note(self, topic: str, arrivals: Sequence[int]) -> None:
        """Messages have come at these times [ns]."""
        self._topics.setdefault(topic, _TopicWatch()).note(arrivals)

    def rates(self, now_ns: int) -> dict[str, float]:
        """Messages a second over the last two seconds."""
        return {name: each.rate_hz(now_ns / _NS) for name, each in self._topics.items()}

    def silent(self, now_ns: int) -> dict[str, float]:
        """Topics that have paused for longer than usual, and for how long [s]."""
        pauses = {name: each.silent_s(now_ns / _NS) for name, each in self._topics.items()}
        return {name: pause_s for name, pause_s in pauses.items() if pause_s}

    def changes(self, now_ns: int) -> list[str]:
        """A line for each topic that has fallen silent, or come back, since the last call."""
        silent = self.silent(now_ns)
        lines = [f"{n}: nothing for {s:.1f} s" for n, s in silent.items() if n not in self._silent]
        lines += [f"{name}: is back" for name in sorted(self._silent - silent.keys())]
        self._silent = set(silent)
        return lines

    def gaps(self) -> dict[str, tuple[int, float]]:
        """Topic -> number of gaps and the longest [s], of those that had any."""
        return {n: (each.gaps, each.longest_s) for n, each in self._topics.items() if each.gaps}

    def forget_gaps(self) -> None:
        """Count anew, for a new take."""
        for each in self._topics.values():
            each.gaps, each.longest_s = 0, 0.0
