# SPDX-License-Identifier: Apache-2.0
"""What an operator does in a recording: which objects, in which order, with which slips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from m2r2_ros.simulation.board_layout import Layout
from m2r2_ros.simulation.faults import (
    INSERT_SLIPS,
    NO_FAULT,
    PICK_SLIPS,
    PLACE_SLIPS,
    REMOVE_SLIPS,
    Fault,
    Slips,
)
from m2r2_ros.simulation.habits import Habits
from m2r2_ros.simulation.objects import BY_NAME, OBJECTS, BoardObject, kind_of, neighbours
from m2r2_ros.simulation.operator import Operator
from m2r2_ros.simulation.rig import Rig
from m2r2_ros.simulation.style import sample_style

_STARTS_ON_BOARD = 0.5  # as many parts to take off as to put on
_BEGINNERS_HESITATION = 0.3, 0.7


def sample_on_board(rng: np.random.Generator) -> frozenset[str]:
    """Names of the objects that begin assembled."""
    return frozenset(thing.name for thing in OBJECTS if rng.uniform() < _STARTS_ON_BOARD)


class Session:
    """Works through all objects in random order, round after round, until enough is attempted."""

    def __init__(
        self,
        rig: Rig,
        layout: Layout,
        on_board: frozenset[str],
        rng: np.random.Generator,
        habits: Habits,
    ):
        self._rig, self._rng, self._habits = rig, rng, habits
        style = sample_style(rng)
        if habits.beginner:
            style = replace(style, hesitation=rng.uniform(*_BEGINNERS_HESITATION))
        self._operator = Operator(rig, layout, replace(style, **habits.moves), rng)
        self._on_board = set(on_board)
        self._in_kit = {thing.name for thing in OBJECTS} - self._on_board
        self._round: list[str] = []
        self._last = ""

    def work(self, attempts: int) -> None:
        """Attempt at least `attempts` actions (the object in hand is always finished)."""
        self._pause(0.8, 2.0)
        while len(self._rig.journal.attempts) < attempts:
            thing = self._choose()
            if thing is None:
                break
            if thing.name in self._in_kit:
                self._assemble(thing)
            else:
                self._disassemble(thing)
        self._pause(0.8, 2.0)

    def _choose(self) -> BoardObject | None:
        """The next object of the round that can be worked on; every round has another order."""
        ready = [name for name in self._round if self._ready(name)]
        if not ready:
            self._round = [OBJECTS[index].name for index in self._rng.permutation(len(OBJECTS))]
            ready = [name for name in self._round if self._ready(name)]
        if not ready:
            return None
        self._last = self._prefer(ready)
        self._round.remove(self._last)
        return BY_NAME[self._last]

    def _prefer(self, ready: list[str]) -> str:
        """The first, or the first of the kind of the last."""
        alike = [name for name in ready if self._last and kind_of(name) == kind_of(self._last)]
        return alike[0] if alike and self._happens(self._habits.same_kind) else ready[0]

    def _ready(self, name: str) -> bool:
        # One hand cannot turn a gear so that its teeth fit two others at once.
        insertable = name in self._in_kit and len(neighbours(name) & self._on_board) < 2
        return insertable or name in self._on_board

    def _assemble(self, thing: BoardObject) -> None:
        if self._happens(self._habits.wrong_pick):
            self._mistake(thing)
        self._in_kit.discard(thing.name)
        if not self._try(self._operator.pick, thing, PICK_SLIPS, self._in_reach):
            self._recover(thing)
            return
        self._pause_in_hand(0.35)
        if self._try(self._operator.insert, thing, INSERT_SLIPS, self._operator.holds):
            self._on_board.add(thing.name)
            self._let_go()
        elif self._operator.holds(thing):
            self._put_back(thing)
        else:
            self._let_go()

    def _mistake(self, thing: BoardObject) -> None:
        """Take another part of the kit of the same kind, see it, and put it back."""
        alike = sorted(n for n in self._in_kit - {thing.name} if kind_of(n) == kind_of(thing.name))
        if not alike:
            return
        other = BY_NAME[alike[self._rng.integers(len(alike))]]
        self._in_kit.discard(other.name)
        if self._operator.pick(other):
            self._pause(0.4, self._habits.longest_pause_s)
            self._put_back(other)
        else:
            self._recover(other)

    def _disassemble(self, thing: BoardObject) -> None:
        self._on_board.discard(thing.name)
        if self._try(self._operator.remove, thing, REMOVE_SLIPS):
            self._pause_in_hand(0.3)
            self._put_back(thing)
        else:
            self._let_go()

    def _put_back(self, thing: BoardObject) -> None:
        if self._operator.place(thing, self._peoples_fault(PLACE_SLIPS)):
            self._in_kit.add(thing.name)
        self._let_go()

    def _recover(self, thing: BoardObject) -> None:
        """After a failed pick: leave the part where it is, and come back if it still stands."""
        if self._operator.stands(thing):
            self._in_kit.add(thing.name)
        self._let_go()

    def _try(
        self,
        activity: Callable[[BoardObject, Fault], bool],
        thing: BoardObject,
        slips: Slips,
        can_go_on: Callable[[BoardObject], bool] = lambda thing: True,
    ) -> bool:
        """Attempt an activity again and again, while `can_go_on` says so after a failure."""
        tries = self._habits.tries
        for left in reversed(range(tries)):
            if activity(thing, self._fault(slips, is_first=left == tries - 1, is_last=not left)):
                return True
            if not can_go_on(thing):
                return False
            if not self._happens(self._habits.again):
                self._pause(0.3, 1.0)
        return False

    def _fault(self, slips: Slips, is_first: bool, is_last: bool) -> Fault:
        habits = self._habits
        if habits.errs:
            return self._peoples_fault(slips)
        if habits.beginner:
            errs = not is_last and self._rng.uniform() < habits.beginner
            return slips.drawn(self._rng) if errs else NO_FAULT
        return slips.usual if is_first and self._rng.uniform() < slips.chance else NO_FAULT

    def _peoples_fault(self, slips: Slips) -> Fault:
        errs = self._happens(self._habits.errs * slips.share)
        return slips.peoples(self._rng) if errs else NO_FAULT

    def _happens(self, chance: float) -> bool:
        """Whether it does; what never does takes no random number."""
        return chance > 0 and self._rng.uniform() < chance

    def _in_reach(self, thing: BoardObject) -> bool:
        """An adept tries to pick what has fallen over, too."""
        return not self._habits.beginner or self._operator.stands(thing)

    def _let_go(self) -> None:
        self._operator.retreat(self._rng.uniform(0.05, 0.1))
        self._maybe_pause(0.5)

    def _maybe_pause(self, chance: float) -> None:
        if self._rng.uniform() < chance:
            self._pause(0.4, self._habits.longest_pause_s)

    def _pause_in_hand(self, adepts_chance: float) -> None:
        chance = self._habits.pauses
        self._maybe_pause(adepts_chance if chance is None else chance)

    def _pause(self, least_s: float, most_s: float) -> None:
        self._rig.wait(self._rng.uniform(least_s, most_s))
