# SPDX-License-Identifier: Apache-2.0
"""Which stamps belong to the present: a stream on a wrong clock is told from a joint jump."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from m2r2_ros.sensing.clock_majority import ClockMajority, together
from m2r2_ros.sensing.clock_offsets import ClockOffsets
from m2r2_ros.sensing.pending_samples import PendingSamples

# No clock shows this (ROS time ends at 2**31 s); differences of smaller stamps fit int64.
NEVER_NS = 2**62


@dataclass(frozen=True)
class Verdict:
    """What to do with the samples that have arrived.

    low_ns, high_ns  bounds (inclusive) of the stamps that belong to the present.
    refused          streams whose other samples are on a wrong clock; those of the streams
                     that are not named here wait for the next verdict.
    astray           streams whose clock has left the others: nothing of them belongs to the
                     present, which is at `present_ns`.
    crossed          stamps from which on streams that have just left have done so, or such as are
                     just back are.
    jumped           the others are the present now: end the old time line and judge them anew.
    """

    low_ns: int
    high_ns: int
    refused: frozenset[str] = frozenset()
    astray: frozenset[str] = frozenset()
    present_ns: int = 0
    crossed: Mapping[str, int] = field(default_factory=dict)
    jumped: bool = False

    def bounds(self, name: str) -> tuple[int, int]:
        """Of a stream's stamps that belong to the present, inclusive; empty when first > last."""
        edge = self.crossed.get(name)
        if name in self.astray:
            return self.low_ns, self.low_ns - 1 if edge is None else edge - 1
        return self.low_ns if edge is None else edge, self.high_ns


@dataclass
class TimeLine:
    """Follows the present, and lets streams vote on whether time goes on or has jumped.

    The present is what most streams say (`ClockMajority`). A stream whose clock creeps away from it
    by more than `jump_ns` is left out, alone, until it is back.

    Steps are put to the vote. A sample belongs to the present when a chain of samples of any
    streams, no step longer than `jump_ns`, leads to it from the newest one so far. The others wait
    until half of the streams have spoken: if most have gone to one other time, time has jumped; if
    not, the strays are refused. So one stream with a wrong clock never stops the others.
    """

    jump_ns: int
    reference: str | None = None
    # The present, None before the first sample.
    now_ns: int | None = None
    clocks: ClockMajority = field(init=False)
    offsets: ClockOffsets = field(init=False)
    # Whether any stream had strayed at the last verdict, and the streams that went on since.
    _straying: bool = False
    _agreed: set[str] = field(default_factory=set)
    # As of the last verdict.
    _crossed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clocks = ClockMajority(self.jump_ns, self.reference)
        self.offsets = ClockOffsets()

    def clear(self) -> None:
        self.now_ns = None
        self.clocks.clear()
        self.offsets.clear()
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
        starting = self.now_ns is None
        low, high = self._first_bounds(arrivals) if starting else self._next_bounds(arrivals)
        stray = self._follow(arrivals, low, high)
        if not starting and self._has_lost_the_present(low, high):
            return Verdict(low, high, jumped=True)
        if not stray or starting:
            self._settle()
            self._part(stray)
            return self._verdict(low, high, frozenset(arrivals))
        # What comes together with the first stray may still be from before a jump.
        going_on = arrivals.keys() - stray.keys() - self.clocks.astray
        if self._straying:
            self._agreed |= going_on
        self._agreed -= stray.keys()
        self._straying = True
        return self._decide(low, high, arrivals, stray, alive())

    def why_astray(self, name: str) -> str:
        """The same for as long as it lasts: how far it is to the second is in the readings."""
        side = "ahead of" if self.clocks.positions[name] > self.now_ns else "behind"
        return f"its clock is more than {self.jump_ns / 1e9:g} s {side} the others"

    def _verdict(self, low: int, high: int, refused: frozenset[str]) -> Verdict:
        astray = frozenset(self.clocks.astray)
        return Verdict(low, high, refused, astray, self.now_ns or 0, self._crossed)

    def _first_bounds(self, arrivals: dict[str, np.ndarray]) -> tuple[int, int]:
        """Bounds of the time at which most streams are, empty when none is at any."""
        latest = {name: int(times[-1]) for name, times in arrivals.items()}
        latest = {name: time for name, time in latest.items() if abs(time) < NEVER_NS}
        if not latest:
            return NEVER_NS, -NEVER_NS
        present = max(together(latest, self.jump_ns), key=lambda group: self._weight(group, latest))
        stamps = np.sort(np.concatenate(list(arrivals.values())))
        low, high = _chain(stamps, latest[min(present)], self.jump_ns)
        return max(low, -NEVER_NS), min(high, NEVER_NS)

    def _next_bounds(self, arrivals: dict[str, np.ndarray]) -> tuple[int, int]:
        """Within a jump of the clocks that keep step, and what a chain of samples leads to."""
        known = [self.now_ns, *(self.clocks.positions[name] for name in self.clocks.in_step())]
        newest = max(known)
        high = newest + self.jump_ns
        stamps = [times for name, times in arrivals.items() if name not in self.clocks.astray]
        if stamps:
            reached = np.sort(np.concatenate([[newest], *stamps]))
            high = max(high, _chain(reached, newest, self.jump_ns)[1])
        return min(known) - self.jump_ns, high

    def _follow(
        self, arrivals: dict[str, np.ndarray], low: int, high: int
    ) -> dict[str, np.ndarray]:
        """Move clocks and present on. Returns the streams that have left it by a step."""
        positions: dict[str, int] = {}
        stray: dict[str, np.ndarray] = {}
        for name, times in arrivals.items():
            if name in self.clocks.astray and (moved := self._moved(name, times)) is not None:
                positions[name] = moved
            elif low <= times[-1] <= high:
                newest = int(times.max())
                positions[name] = newest if newest <= high else int(times[times <= high].max())
            else:
                stray[name] = times[(times < low) | (times > high)]
        self.clocks.move(positions)
        self._crossed = {}
        if self.clocks.positions:
            self.now_ns = self.clocks.present_ns()
            self._crossed = self.clocks.watch(positions, self.now_ns)
            self.offsets.note(self.clocks, positions, self.now_ns)
        return stray

    def _moved(self, name: str, times: np.ndarray) -> int | None:
        """How far a clock that has left the others has come, None when an odd stamp says so."""
        last = int(times[-1])
        goes_on = abs(last - self.clocks.positions[name]) <= self.jump_ns
        return last if goes_on or self._runs(times) else None

    def _has_lost_the_present(self, low: int, high: int) -> bool:
        """Whether all who said what time it is are gone, and others say something else."""
        return not low <= self.now_ns <= high + self.jump_ns

    def _decide(
        self,
        low: int,
        high: int,
        arrivals: dict[str, np.ndarray],
        stray: dict[str, np.ndarray],
        alive: set[str],
    ) -> Verdict:
        gone = self._gone(stray)
        voters = len(alive | arrivals.keys() | gone)
        # The strays' own time tells how long the others have been silent.
        waited = any(
            int(stray[n][-1]) - int(stray[n].min()) >= self.jump_ns for n in gone & stray.keys()
        )
        majority = len(gone) > len(self._agreed) or (
            len(gone) == len(self._agreed) and self.reference in gone
        )
        if 2 * len(gone) > voters or (waited and majority):
            return Verdict(low, high, jumped=True)
        if waited or 2 * len(self._agreed) >= voters:
            self._settle()
            self._part(stray)
            return self._verdict(low, high, frozenset(arrivals))
        return self._verdict(low, high, frozenset(arrivals) - stray.keys())

    def _gone(self, stray: dict[str, np.ndarray]) -> frozenset[str]:
        """The largest group of strays at one time, with those who had gone there before."""
        latest = {n: self.clocks.positions[n] for n in self.clocks.astray & self.clocks.active}
        latest |= {n: int(times[-1]) for n, times in stray.items() if self._runs(times)}
        groups = [group for group in together(latest, self.jump_ns) if group & stray.keys()]
        return max(groups, key=lambda group: self._weight(group, latest), default=frozenset())

    def _part(self, stray: dict[str, np.ndarray]) -> None:
        """Streams that go on at another time are on another clock."""
        for name, times in stray.items():
            if self._runs(times) and abs(int(times[-1])) < NEVER_NS:
                self.clocks.part(name, int(times[-1]))

    def _weight(self, group: frozenset[str], latest: dict[str, int]) -> tuple[int, bool, int]:
        return len(group), self.reference in group, max(latest[name] for name in group)

    def _runs(self, times: np.ndarray) -> bool:
        """Whether a stream goes on at its new time; a single odd stamp is no new clock."""
        return len(times) > 1 and 0 < int(times[-1]) - int(times[-2]) <= self.jump_ns


def _chain(stamps: np.ndarray, start: int, jump_ns: int) -> tuple[int, int]:
    """First and last of the sorted stamps that are reached from `start` in steps <= jump."""
    # Unsigned, so that the difference of any two int64 is right.
    breaks = np.flatnonzero(np.diff(stamps).view(np.uint64) > jump_ns)
    index = int(np.searchsorted(stamps, start))
    segment = int(np.searchsorted(breaks, index))
    first = breaks[segment - 1] + 1 if segment else 0
    last = breaks[segment] if segment < len(breaks) else len(stamps) - 1
    return int(stamps[first]), int(stamps[last])
