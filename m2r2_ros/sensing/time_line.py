# SPDX-License-Identifier: Apache-2.0
"""Which stamps belong to the present. A joint jump is told from one stream's wrong clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

import numpy as np

from m2r2_ros.sensing.clock_majority import ClockMajority, together
from m2r2_ros.sensing.clock_offsets import ClockOffsets
from m2r2_ros.sensing.clock_steps import NEVER_NS, Stamps
from m2r2_ros.sensing.clock_vote import Ballot, ClockVote
from m2r2_ros.sensing.stream import Stream

# A step of a clock takes this many of the longest delay of messages: then it is told from one.
LEAST_STEP_WAITS = 2.5


@dataclass(frozen=True)
class Jump:
    """Time has jumped: windows that end up to `end_ns` lie before that.

    left     streams that have not gone along, and their newest stamps.
    begins   where those that have were before, by their clocks of now.
    is_anew  whether windows start with 0 again: not after a step of less than a jump.
    """

    end_ns: float = inf
    left: Mapping[str, int] = field(default_factory=dict)
    begins: Mapping[str, int] = field(default_factory=dict)
    is_anew: bool = True


@dataclass(frozen=True)
class Verdict:
    """What to do with the samples that have arrived.

    accepted, waiting  masks over each stream's stamps in order of arrival: what belongs to the
                       present, and what waits for the next verdict. The rest is on a wrong clock.
    astray             streams whose clock has left the others, which are at `present_ns`.
    jump               the present is elsewhere: end the old time line, and judge anew.
    """

    accepted: Mapping[str, np.ndarray] = field(default_factory=dict)
    waiting: Mapping[str, np.ndarray] = field(default_factory=dict)
    astray: frozenset[str] = frozenset()
    present_ns: int = 0
    jump: Jump | None = None


@dataclass
class TimeLine:
    """Follows the present, and lets streams vote on whether time goes on or has jumped.

    The present is what most streams say (`ClockMajority`). A stream whose clock creeps away from it
    is left out, alone, until it is back.

    A step is what a stream's own stamps say: two in a row are more than `jump_ns` apart. The stream
    has paused when the others are there, too. If not, its samples wait while the streams vote
    (`ClockVote`), and so does every window after its last sample before the step.
    """

    jump_ns: int
    settle_ns: int
    reference: str | None = None
    # The present, None before the first sample.
    now_ns: int | None = None
    clocks: ClockMajority = field(init=False)
    offsets: ClockOffsets = field(init=False)
    _vote: ClockVote = field(init=False)
    # What no delay of messages looks like.
    _least_step_ns: int = field(init=False)
    # The usual one of each stream, known while it is left out, too.
    _intervals: dict[str, int] = field(default_factory=dict)
    # As of the last verdict: stamps from which on streams have left or are back.
    _crossed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clocks = ClockMajority(self.jump_ns, self.reference)
        self.offsets = ClockOffsets()
        self._vote = ClockVote(self.jump_ns, self.settle_ns, self.reference)
        self._least_step_ns = min(self.jump_ns, round(LEAST_STEP_WAITS * self.settle_ns))

    def clear(self) -> None:
        self.now_ns = None
        self.clocks.clear()
        self.offsets.clear()
        self._vote.clear()
        self._crossed = {}

    def leave_behind(self, jump: Jump) -> None:
        """Some streams stay at their time while the present begins elsewhere."""
        begin_ns = max(jump.begins.values(), default=0)
        for name, position in jump.left.items():
            self.clocks.part(name, position, begin_ns + 3 * self.settle_ns)
            if jump.is_anew:
                self.clocks.admit(name, position - begin_ns)

    def step(self, jump: Jump) -> None:
        """Follow a step of most streams by less than a jump."""
        self._vote.clear()
        self.clocks.move(jump.begins)
        self.leave_behind(jump)

    def judge(
        self,
        streams: Mapping[str, Stream],
        alive: Callable[[], set[str]],
        final: bool = False,
    ) -> Verdict | None:
        """Judge what waits in the streams' inboxes, None when nothing does.

        alive: gives the streams that were going on lately. final: nothing more comes.
        """
        stamps = {name: self._read(stream) for name, stream in streams.items() if stream.inbox}
        if not stamps:
            return None
        known = self._known()
        if self.now_ns is None:
            self._begin(stamps)
        self._follow(stamps)
        if known and self._has_lost_the_present(known):
            return self._verdict(stamps, Jump())
        stray = {name: stamps[name] for name in _strays(stamps) - self.clocks.astray}
        outcome = self._vote.hold(stray, self.clocks, alive, final) if stray else self._vote.clear()
        if outcome is Ballot.JUMP:
            return self._verdict(stamps, self._find_jump(stray))
        if outcome is Ballot.PART:
            self._part(stray)
        return self._verdict(stamps)

    @property
    def holds_ns(self) -> float:
        """No window that ends later can be closed before the streams have voted."""
        return self._vote.holds_ns

    def why_astray(self, name: str) -> str:
        """Why a stream is left out. The text stays the same for as long as that lasts."""
        away_ns = self.clocks.positions[name] - (self.now_ns or 0)
        if abs(away_ns) <= self.jump_ns:
            return "its clock has stepped away from the others': left out until it is known how far"
        side = "ahead of" if away_ns > 0 else "behind"
        return f"its clock is more than {self.jump_ns / 1e9:g} s {side} the others"

    def _read(self, stream: Stream) -> Stamps:
        before_ns = self.clocks.positions.get(stream.name)
        times = stream.inbox.stamps()
        intervals = stream.waiting_intervals(len(times))
        if not intervals.any():
            intervals = np.full_like(times, self._intervals.get(stream.name, 0))
        self._intervals[stream.name] = int(intervals[-1])
        least_ns = self._least_step_ns if intervals.any() else self.jump_ns
        return Stamps(times, before_ns, least_ns, intervals)

    def _known(self) -> list[int]:
        """Where the present is, by all who say so."""
        positions = self.clocks.positions
        now = [] if self.now_ns is None else [self.now_ns]
        return now + [positions[name] for name in self.clocks.in_step()]

    def _begin(self, stamps: Mapping[str, Stamps]) -> None:
        """Take the largest group of streams for the present; the others have to vote."""
        latest = {n: s.newest_ns for n, s in stamps.items() if n not in self.clocks.astray}
        latest = {name: time for name, time in latest.items() if abs(time) < NEVER_NS}
        if not latest:
            return
        present = max(
            together(latest, self.jump_ns),
            key=lambda group: (len(group), self.reference in group, max(latest[n] for n in group)),
        )
        for name in present:
            stamps[name].accept_line()

    def _follow(self, stamps: Mapping[str, Stamps]) -> None:
        """Move clocks and present on."""
        astray = {n: each for n, each in stamps.items() if n in self.clocks.astray}
        going_on = {n: s for n, s in stamps.items() if n not in astray and s.accepted.any()}
        self.clocks.doubted = _strays(stamps) - astray.keys()
        self.clocks.move({name: each.reached_ns() for name, each in going_on.items()})
        paused = self._find_paused(self.clocks.doubted, stamps)
        moved = going_on.keys() | paused
        home = self._find_absent({name: stamps[name] for name in moved})
        self.clocks.doubted = _strays(stamps) - astray.keys()
        for name, each in astray.items():
            if not each.is_stray or each.span_ns or self._is_near(name, each):
                self.clocks.move({name: each.newest_ns})
                home |= {name: each.line_ns} if each.is_stray else {}
                each.accept_line()
                moved.add(name)
        self._crossed = {}
        present_ns = self.clocks.present_ns()
        if present_ns is not None:
            self.now_ns = present_ns
            self._crossed = self.clocks.watch(moved, self.now_ns, home)
            self.offsets.note(self.clocks, moved, self.now_ns)

    def _find_absent(self, stamps: Mapping[str, Stamps]) -> dict[str, int]:
        """Streams that were elsewhere for `settle_ns` or more, and their first stamps since."""
        absent = {n: each for n, each in stamps.items() if each.absence_ns >= self.settle_ns}
        for name in absent:
            here_ns = self.clocks.positions[name]
            self.clocks.part(name, here_ns, here_ns)
        return {name: each.back_ns for name, each in absent.items()}

    def _find_paused(self, names: Iterable[str], stamps: Mapping[str, Stamps]) -> set[str]:
        """Accept the streams that have only paused: the others are where they go on."""
        paused = {name for name in names if self._is_near(name, stamps[name])}
        for name in paused:
            stamps[name].accept_line()
            self.clocks.move({name: stamps[name].reached_ns()})
        return paused

    def _is_near(self, name: str, stamps: Stamps) -> bool:
        """Whether the others are where a stream's stamps have stepped to.

        The limit is the middle between where it was and where it goes on, far from both: another
        order of delivery does not change the answer.
        """
        others_ns = self.clocks.others_ns(name)
        if others_ns is None:
            return False
        limit_ns = self.jump_ns if stamps.step_ns is None else min(stamps.step_ns / 2, self.jump_ns)
        away_ns = stamps.newest_ns - others_ns
        usual_ns = self.offsets.usual_ns(name)
        if name not in self.clocks.astray and abs(usual_ns) > self.jump_ns:
            # As of before it came back.
            usual_ns = 0
        return min(abs(away_ns), abs(away_ns - usual_ns)) <= limit_ns

    def _has_lost_the_present(self, known: list[int]) -> bool:
        """Whether the present is elsewhere, because all streams that had told it are gone."""
        known = known + self._known()[1:]
        return not min(known) - self.jump_ns <= self.now_ns <= max(known) + 2 * self.jump_ns

    def _find_jump(self, stray: Mapping[str, Stamps]) -> Jump:
        gone = {name: each for name, each in stray.items() if name in self._vote.gone}
        steps_ns = [each.step_ns for each in gone.values()]
        is_anew = any(step_ns is None or step_ns > self.jump_ns for step_ns in steps_ns)
        begins = {name: each.begin_ns for name, each in gone.items()}
        return Jump(self._vote.end_ns(), self._vote.left(self.clocks), begins, is_anew)

    def _part(self, stray: Mapping[str, Stamps]) -> None:
        """Streams that go on at another time are on another clock."""
        ripe = {name for name, stamps in stray.items() if stamps.span_ns >= self.settle_ns}
        for name in ripe or stray:
            if name in ripe and abs(stray[name].newest_ns) < NEVER_NS:
                since_ns = self.clocks.positions.get(name, self.now_ns or 0) + 3 * self.settle_ns
                self.clocks.part(name, stray[name].newest_ns, since_ns)
            stray[name].refuse_line()
        self._vote.clear()

    def _verdict(self, stamps: Mapping[str, Stamps], jump: Jump | None = None) -> Verdict:
        accepted = {name: self._accepted(name, each) for name, each in stamps.items()}
        if jump:
            # Where those who are left stand includes what has come of them: it is not judged again.
            waiting = {name: ~mask for name, mask in accepted.items() if name not in jump.left}
        else:
            waiting = {name: each.waiting() for name, each in stamps.items() if each.is_stray}
        return Verdict(accepted, waiting, frozenset(self.clocks.astray), self.now_ns or 0, jump)

    def _accepted(self, name: str, stamps: Stamps) -> np.ndarray:
        """Mask over what leads on, up to where the stream has left or from where it is back."""
        edge_ns = self._crossed.get(name)
        if name in self.clocks.astray:
            return stamps.accepted & (edge_ns is not None and stamps.times < edge_ns)
        if edge_ns is None:
            return stamps.accepted
        # Later than it is now it was while it was ahead, before it came back.
        is_back = (edge_ns <= stamps.times) & (stamps.times <= stamps.reached_ns())
        return stamps.accepted & is_back


def _strays(stamps: Mapping[str, Stamps]) -> frozenset[str]:
    return frozenset(name for name, each in stamps.items() if each.is_stray)
