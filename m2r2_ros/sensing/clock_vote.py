# SPDX-License-Identifier: Apache-2.0
"""What streams decide when some of them have stepped: whether time goes on or has jumped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from m2r2_ros.sensing.clock_majority import ClockMajority, together
from m2r2_ros.sensing.clock_steps import NEVER_NS, Stamps


class Ballot(Enum):
    """WAIT for more, PART with those who have stepped, or JUMP with them."""

    WAIT = 0
    PART = 1
    JUMP = 2


@dataclass
class ClockVote:
    """A stream votes by going on: for `settle_ns` of its own time, which no delivery makes up.

    All who are alive are waited for, but no longer than it takes a voter to run on by `jump_ns`.
    Most votes win; of halves that with the `reference` camera, else those who have not stepped.

    holds_ns  last stamp of a stream before it stepped: later windows have to wait.
    gone      those who have stepped, most of them to one other time.
    """

    jump_ns: int
    settle_ns: int
    reference: str | None = None
    holds_ns: float = inf
    gone: frozenset[str] = frozenset()
    # Where each stream was when the first had stepped, and how far each stray had run when seen.
    _since: dict[str, int] = field(default_factory=dict)
    _spans: dict[str, int] = field(default_factory=dict)
    _agreed: frozenset[str] = frozenset()
    # Those who have gone, and where each was before; None where that is not known.
    _before: dict[str, int | None] = field(default_factory=dict)

    def clear(self) -> Ballot:
        self.holds_ns = inf
        self._since.clear()
        self._spans.clear()
        return Ballot.WAIT

    def hold(
        self,
        stray: Mapping[str, Stamps],
        clocks: ClockMajority,
        alive: Callable[[], set[str]],
        final: bool,
    ) -> Ballot:
        """Count the votes. A single odd stamp is none. `final`: nothing more comes."""
        spans = {name: stamps.span_ns for name, stamps in stray.items() if stamps.span_ns}
        if not spans:
            return self.clear()
        self.holds_ns = min(clocks.positions.get(name, -inf) for name in spans)
        ran = self._ran(stray, clocks)
        agreed = frozenset(name for name, ran_ns in ran.items() if ran_ns > self.settle_ns)
        gone = self.gone = self._find_gone(stray, clocks)
        self._agreed = agreed
        self._before = {name: clocks.positions.get(name) for name in gone & stray.keys()}
        voters = alive() | agreed | stray.keys()
        # The others have run on for long: a stray that has not is slow, or gone again.
        certain = sum(ran_ns > 3 * self.settle_ns for ran_ns in ran.values())
        is_ripe = max(spans.values()) >= self.settle_ns or 2 * certain > len(voters)
        waits = [span_ns - self._spans.setdefault(n, span_ns) for n, span_ns in spans.items()]
        waited = final or max(*waits, *ran.values(), 0) >= self.jump_ns
        all_spoke = voters <= agreed | stray.keys()
        if not is_ripe and not waited:
            return Ballot.WAIT
        if (all_spoke or waited) and self._weight(gone) > self._weight(agreed):
            return Ballot.JUMP
        if all_spoke or waited or 2 * len(agreed) > len(voters):
            return Ballot.PART
        return Ballot.WAIT

    def _ran(self, stray: Mapping[str, Stamps], clocks: ClockMajority) -> dict[str, int]:
        """How far those who go on have run since the first had stepped."""
        going_on = {n: clocks.positions[n] for n in clocks.in_step() - stray.keys()}
        return {n: now_ns - self._since.setdefault(n, now_ns) for n, now_ns in going_on.items()}

    def _find_gone(self, stray: Mapping[str, Stamps], clocks: ClockMajority) -> frozenset[str]:
        """The largest group of strays at one time, with those who had gone there before."""
        latest = {name: clocks.positions[name] for name in clocks.astray & clocks.active}
        latest |= {n: s.newest_ns for n, s in stray.items() if abs(s.newest_ns) < NEVER_NS}
        running = {name for name, stamps in stray.items() if stamps.span_ns}
        groups = [group for group in together(latest, self.jump_ns) if group & running]
        return max(groups, key=self._weight, default=frozenset())

    def _weight(self, group: frozenset[str]) -> tuple[int, bool]:
        return len(group), self.reference in group

    def end_ns(self) -> float:
        """Where time has jumped: the newest stamp before that of those who have gone."""
        return max((end for end in self._before.values() if end is not None), default=-inf)

    def left(self, clocks: ClockMajority) -> dict[str, int]:
        """Those who have not gone along now, and their newest stamps."""
        left = self._agreed | clocks.astray & clocks.active
        return {name: clocks.positions[name] for name in left}
