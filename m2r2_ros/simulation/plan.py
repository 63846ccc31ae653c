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
    REMOVE_SLIPS,
    Fault,
    Slips,
)
from m2r2_ros.simulation.objects import BY_NAME, OBJECTS, BoardObject, neighbours
from m2r2_ros.simulation.operator import Operator, Style
from m2r2_ros.simulation.rig import Rig

_STARTS_ON_BOARD = 0.5  # as many parts to take off as to put on
_TRIES, _BEGINNERS_TRIES = 2, 4
_BEGINNERS_HESITATION = 0.3, 0.7


def sample_style(rng: np.random.Generator) -> Style:
    """How fast, how careful and how sharp-eyed the operator of this recording is."""
    return Style(
        speed_m_s=rng.uniform(0.4, 0.55),
        careful_m_s=rng.uniform(0.06, 0.1),
        travel_height_m=rng.uniform(0.16, 0.2),
        search_n=rng.uniform(3.5, 5.0),
        push_n=rng.uniform(22, 32),
        hesitation=rng.uniform(0.05, 0.3),
        regrasp=rng.uniform(0.0, 0.12),
        unevenness=rng.uniform(0.05, 0.2),
        lean_rad=rng.uniform(0.02, 0.1),
        aside_m=rng.uniform(1e-3, 5e-3),
    )


def sample_on_board(rng: np.random.Generator) -> frozenset[str]:
    """Names of the objects that begin assembled."""
    return frozenset(thing.name for thing in OBJECTS if rng.uniform() < _STARTS_ON_BOARD)


class Session:
    """Works through all objects in random order, round after round, until enough is attempted.

    `failures`: the part of the attempts to pick and insert in which a beginner errs, the last one
    apart; 0: the operator is adept.
    """

    def __init__(
        self,
        rig: Rig,
        layout: Layout,
        on_board: frozenset[str],
        rng: np.random.Generator,
        failures: float = 0.0,
    ):
        self._rig, self._rng, self._failures = rig, rng, failures
        style = sample_style(rng)
        if failures:
            style = replace(style, hesitation=rng.uniform(*_BEGINNERS_HESITATION))
        self._operator = Operator(rig, layout, style, rng)
        self._on_board = set(on_board)
        self._in_kit = {thing.name for thing in OBJECTS} - self._on_board
        self._round: list[str] = []

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
        self._round.remove(ready[0])
        return BY_NAME[ready[0]]

    def _ready(self, name: str) -> bool:
        # One hand cannot turn a gear so that its teeth fit two others at once.
        insertable = name in self._in_kit and len(neighbours(name) & self._on_board) < 2
        return insertable or name in self._on_board

    def _assemble(self, thing: BoardObject) -> None:
        self._in_kit.discard(thing.name)
        if not self._try(self._operator.pick, thing, PICK_SLIPS, self._in_reach):
            self._recover(thing)
            return
        self._maybe_pause(0.35)
        if self._try(self._operator.insert, thing, INSERT_SLIPS, self._operator.holds):
            self._on_board.add(thing.name)
            self._let_go()
        elif self._operator.holds(thing):
            self._put_back(thing)
        else:
            self._let_go()

    def _disassemble(self, thing: BoardObject) -> None:
        self._on_board.discard(thing.name)
        if self._try(lambda thing, _: self._operator.remove(thing), thing, REMOVE_SLIPS):
            self._maybe_pause(0.3)
            self._put_back(thing)
        else:
            self._let_go()

    def _put_back(self, thing: BoardObject) -> None:
        if self._operator.place(thing):
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
        tries = _BEGINNERS_TRIES if self._failures else _TRIES
        for left in reversed(range(tries)):
            if activity(thing, self._fault(slips, is_first=left == tries - 1, is_last=not left)):
                return True
            if not can_go_on(thing):
                return False
            self._pause(0.3, 1.0)
        return False

    def _fault(self, slips: Slips, is_first: bool, is_last: bool) -> Fault:
        if self._failures:
            errs = not is_last and self._rng.uniform() < self._failures
            return slips.drawn(self._rng) if errs else NO_FAULT
        return slips.usual if is_first and self._rng.uniform() < slips.chance else NO_FAULT

    def _in_reach(self, thing: BoardObject) -> bool:
        """An adept tries to pick what has fallen over, too."""
        return not self._failures or self._operator.stands(thing)

    def _let_go(self) -> None:
        self._operator.retreat(self._rng.uniform(0.05, 0.1))
        self._maybe_pause(0.5)

    def _maybe_pause(self, chance: float) -> None:
        if self._rng.uniform() < chance:
            self._pause(0.4, 1.7)

    def _pause(self, least_s: float, most_s: float) -> None:
        self._rig.wait(self._rng.uniform(least_s, most_s))
