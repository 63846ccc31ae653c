# SPDX-License-Identifier: Apache-2.0
"""Where the clock of each stream stands, what time it is for most of them, and which have left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from m2r2_ros.sensing.per_second import SECOND_NS, PerSecond
from m2r2_ros.sensing.silence import Silence

# A clock that creeps leaves beyond this much of a jump, so that a step of just under a jump, which
# is none, decides nothing. It comes back when it is that much of a jump near.
LEAVE_SHARE = 1.1
RETURN_SHARE = 0.9


@dataclass
class ClockMajority:
    """Every stream has a clock of its own: its stamps. Steps are `TimeLine`'s, creeping is here.

    The present is what most active streams say: the median of the largest group of clocks that lie
    near one of them. Of groups of one size it is the one with more clocks that had not left before,
    then the one with the `reference` stream.

    positions  newest stamp of each stream on its own clock.
    active     streams that were heard while no other clock has run on by more than `jump_ns`.
    doubted    streams that have stepped, until it is decided what that was.
    astray     streams whose clock has stepped away from the present, or crept further than that.
    """

    jump_ns: int
    reference: str | None = None
    positions: dict[str, int] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)
    doubted: frozenset[str] = frozenset()
    astray: set[str] = field(default_factory=set)
    _silence: Silence = field(default_factory=Silence)
    _distances: PerSecond = field(default_factory=PerSecond)
    # Stamps, each on the stream's own clock, from which on it has left or is back.
    _edges: dict[str, int] = field(default_factory=dict)

    def clear(self) -> None:
        for state in (self.positions, self._silence, self._distances, self._edges):
            state.clear()
        self.active.clear()
        self.doubted = frozenset()
        self.astray.clear()

    def move(self, positions: Mapping[str, int]) -> None:
        """These streams have brought something, up to these stamps."""
        self.positions |= positions
        self._silence.hear(positions, self.active)
        self._find_active()

    def part(self, name: str, position: int, since_ns: int) -> None:
        """A stream has stepped away from the present, at `since_ns`, and goes on there."""
        self.positions[name] = position
        self._silence.hear({name: position}, active=())
        self._find_active()
        self.astray.add(name)
        self._edges.pop(name, None)
        self._distances.restart(name, since_ns)

    def admit(self, name: str, away_ns: int) -> None:
        """One that has just parted is where the present now begins: it is back in whole seconds."""
        if abs(away_ns) < RETURN_SHARE * self.jump_ns:
            self._edges[name] = self._distances.whole_from_ns(name)

    def _find_active(self) -> None:
        silent = self._silence
        self.active = {name for name in silent.names if silent.silent_ns(name) <= self.jump_ns}

    def in_step(self) -> set[str]:
        return self.active - self.astray

    def present_ns(self) -> int | None:
        """What most active streams say, None where there is none that has not stepped."""
        names, in_step = self.active, self.in_step()
        # Where those who keep step are most, those who have left have no part in it; nor as long as
        # some of the others have stepped, when they are most only for now.
        is_undecided = bool(in_step & self.doubted)
        is_majority = 2 * len(in_step) > len(names)
        return self._present_ns((in_step if is_undecided or is_majority else names) - self.doubted)

    def others_ns(self, name: str) -> int | None:
        """What the others say that keep step and have not stepped, None where there is none."""
        return self._present_ns(self.in_step() - self.doubted - {name})

    def _present_ns(self, names: Collection[str]) -> int | None:
        times = {name: self.positions[name] for name in names}
        reach_ns = round(LEAVE_SHARE * self.jump_ns)
        if times and max(times.values()) - min(times.values()) > reach_ns:
            groups = together(times, reach_ns)
            group = max(groups, key=lambda group: self._weight(group, times))
            times = {name: times[name] for name in group}
        return self._middle_ns(times) if times else None

    def _weight(self, group: frozenset[str], times: Mapping[str, int]) -> tuple[int, ...]:
        newest = max(times[name] for name in group)
        return len(group), len(group - self.astray), self.reference in group, newest

    def _middle_ns(self, times: Mapping[str, int]) -> int:
        """The median; of two halves that are apart it lies in that with the reference."""
        ordered = sorted(times.values())
        lower_ns, upper_ns = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        apart = upper_ns - lower_ns > RETURN_SHARE * self.jump_ns
        return upper_ns if apart and times.get(self.reference, lower_ns) > lower_ns else lower_ns

    def watch(
        self, names: Iterable[str], present_ns: int, home: Mapping[str, int]
    ) -> dict[str, int]:
        """Note which of these, which have just moved, leave the present or come back to it.

        home: those that have stepped, and the first stamp since. Returns the stamps from which on
        they have left or are back. They lie at whole seconds, so that it takes more than another
        order of delivery to move them.
        """
        for name in names:
            away_ns = self.positions[name] - present_ns
            if name in home:
                self._step(name, home[name], away_ns)
            self._judge(name, away_ns, present_ns)
        return {n: self._cross(n) for n in names if self.positions[n] >= self._edges.get(n, inf)}

    def _step(self, name: str, first_ns: int, away_ns: int) -> None:
        """One that has left has stepped: it may be back."""
        self._distances.forget(name)
        self._edges.pop(name, None)
        if abs(away_ns) < RETURN_SHARE * self.jump_ns:
            self._edges[name] = (first_ns // SECOND_NS + 1) * SECOND_NS

    def _judge(self, name: str, away_ns: int, present_ns: int) -> None:
        """It has left, or is back, when half of the readings of a second say so."""
        distance_ns = self._distances.add(name, abs(away_ns), present_ns)
        if distance_ns is None:
            return
        share = RETURN_SHARE if name in self.astray else LEAVE_SHARE
        limit_ns = round(share * self.jump_ns)
        if (distance_ns > limit_ns) == (name in self.astray):
            self._edges.pop(name, None)
            return
        # Where its clock is half a second on at most. One that comes back may be anywhere.
        side_ns = -limit_ns if away_ns < 0 and name not in self.astray else limit_ns
        second_ns = present_ns // SECOND_NS * SECOND_NS
        self._edges.setdefault(name, second_ns + side_ns + SECOND_NS // 2)

    def _cross(self, name: str) -> int:
        """The stream leaves, or comes back, from this stamp of its clock on."""
        self.astray ^= {name}
        return self._edges.pop(name)


def together(latest: Mapping[str, int], jump_ns: int) -> list[frozenset[str]]:
    """For each stream, the streams that are at the same time as it."""
    return [
        frozenset(name for name, time in latest.items() if abs(time - centre) <= jump_ns)
        for centre in latest.values()
    ]
