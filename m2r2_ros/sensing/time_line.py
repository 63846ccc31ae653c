# SPDX-License-Identifier: Apache-2.0
"""Which stamps belong to the present: a stream on a wrong clock is told from a joint jump."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from m2r2_ros.sensing.pending_samples import PendingSamples

# No clock shows this (ROS time ends at 2**31 s); differences of smaller stamps fit int64.
NEVER_NS = 2**62


@dataclass(frozen=True)
class Verdict:
    """What to do with the samples that have arrived.

    low_ns, high_ns  bounds (inclusive) of the stamps that belong to the present.
    refused          streams whose other samples are on a wrong clock; those of the streams
                     that are not named here wait for the next verdict.
    jumped           the others are the present now: end the old time line and judge them anew.
    """

    low_ns: int
    high_ns: int
    refused: frozenset[str] = frozenset()
    jumped: bool = False


@dataclass
class TimeLine:
    """Streams vote with their latest arrivals on whether time goes on or has jumped.

    A sample belongs to the present when a chain of samples of any streams, no step longer than
    `jump_ns`, leads to it from the newest one so far. The others wait until half of the streams
    have spoken: if most have gone to one other time, time has jumped; if not, the strays are
    refused. So one stream with a wrong clock never stops the others.
    """

    jump_ns: int
    reference: str | None = None
    # Newest stamp of the present, None before the first sample.
    now_ns: int | None = None
    # Whether any stream had strayed at the last verdict, and the streams that went on since.
    _straying: bool = False
    _agreed: set[str] = field(default_factory=set)

    def clear(self) -> None:
        self.now_ns = None
        self._settle()

    def _settle(self) -> None:
        self._straying = False
        self._agreed.clear()

    def judge(
        self, inboxes: Mapping[str, PendingSamples], alive: Callable[[], set[str]]
    ) -> Verdict | None:
        """Judge what waits in the inboxes, None when nothing does.

        alive: gives the streams that were going on lately.
        """
        arrivals = {name: inbox.stamps() for name, inbox in inboxes.items() if len(inbox)}
        if not arrivals:
            return None
        stamps = np.concatenate(list(arrivals.values()))
        starting = self.now_ns is None
        low, high = self._first_bounds(arrivals, stamps) if starting else self._next_bounds(stamps)
        inside = (stamps >= low) & (stamps <= high)
        self._advance(stamps[inside])
        stray = {} if inside.all() else _strays(arrivals, low, high)
        if not stray or starting:
            self._settle()
            return Verdict(low, high, frozenset(arrivals))
        # What comes together with the first stray may still be from before a jump.
        if self._straying:
            self._agreed |= arrivals.keys() - stray.keys()
        self._agreed -= stray.keys()
        self._straying = True
        return self._decide(low, high, arrivals, stray, alive())

    def _advance(self, present: np.ndarray) -> None:
        if len(present):
            newest = int(present.max())
            self.now_ns = newest if self.now_ns is None else max(self.now_ns, newest)

    def _first_bounds(self, arrivals: dict[str, np.ndarray], stamps: np.ndarray) -> tuple[int, int]:
        """Bounds of the time at which most streams are, empty when none is at any."""
        latest = {name: int(times[-1]) for name, times in arrivals.items()}
        latest = {name: time for name, time in latest.items() if abs(time) < NEVER_NS}
        if not latest:
            return NEVER_NS, -NEVER_NS
        present = max(
            _together(latest, self.jump_ns), key=lambda group: self._weight(group, latest)
        )
        low, high = _chain(np.sort(stamps), latest[min(present)], self.jump_ns)
        return max(low, -NEVER_NS), min(high, NEVER_NS)

    def _next_bounds(self, stamps: np.ndarray) -> tuple[int, int]:
        low, high = self.now_ns - self.jump_ns, self.now_ns + self.jump_ns
        if stamps.max() > high:
            reached = np.sort(np.concatenate(([self.now_ns], stamps)))
            high = max(high, _chain(reached, self.now_ns, self.jump_ns)[1])
        return low, high

    def _decide(
        self,
        low: int,
        high: int,
        arrivals: dict[str, np.ndarray],
        stray: dict[str, np.ndarray],
        alive: set[str],
    ) -> Verdict:
        latest = {n: int(times[-1]) for n, times in stray.items() if self._runs(times)}
        groups = _together(latest, self.jump_ns)
        gone = max(groups, key=lambda group: self._weight(group, latest), default=frozenset())
        voters = len(alive | arrivals.keys())
        # The strays' own time tells how long the others have been silent.
        waited = any(int(stray[n][-1]) - int(stray[n].min()) >= self.jump_ns for n in gone)
        majority = len(gone) > len(self._agreed) or (
            len(gone) == len(self._agreed) and self.reference in gone
        )
        if 2 * len(gone) > voters or (waited and majority):
            return Verdict(low, high, jumped=True)
        if waited or 2 * len(self._agreed) >= voters:
            self._settle()
            return Verdict(low, high, frozenset(arrivals))
        return Verdict(low, high, frozenset(arrivals) - stray.keys())

    def _weight(self, group: frozenset[str], latest: dict[str, int]) -> tuple[int, bool, int]:
        return len(group), self.reference in group, max(latest[name] for name in group)

    def _runs(self, times: np.ndarray) -> bool:
        """Whether a stream goes on at its new time; a single odd stamp is no new clock."""
        return len(times) > 1 and 0 < int(times[-1]) - int(times[-2]) <= self.jump_ns


def _strays(arrivals: dict[str, np.ndarray], low: int, high: int) -> dict[str, np.ndarray]:
    """For streams whose latest arrival is out of bounds, all their stamps that are."""
    outside = {name: times[(times < low) | (times > high)] for name, times in arrivals.items()}
    return {
        name: times
        for name, times in outside.items()
        if len(times) and not low <= arrivals[name][-1] <= high
    }


def _together(latest: dict[str, int], jump_ns: int) -> list[frozenset[str]]:
    """For each stream, the streams that are at the same time as it."""
    return [
        frozenset(name for name, time in latest.items() if abs(time - centre) <= jump_ns)
        for centre in latest.values()
    ]


def _chain(stamps: np.ndarray, start: int, jump_ns: int) -> tuple[int, int]:
    """First and last of the sorted stamps that are reached from `start` in steps <= jump."""
    # Unsigned, so that the difference of any two int64 is right.
    breaks = np.flatnonzero(np.diff(stamps).view(np.uint64) > jump_ns)
    index = int(np.searchsorted(stamps, start))
    segment = int(np.searchsorted(breaks, index))
    first = breaks[segment - 1] + 1 if segment else 0
    last = breaks[segment] if segment < len(breaks) else len(stamps) - 1
    return int(stamps[first]), int(stamps[last])
