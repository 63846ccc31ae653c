# SPDX-License-Identifier: Apache-2.0
"""What an operator does in a recording: which objects, in which order, with which slips."""

from __future__ import annotations

import numpy as np

from m2r2_ros.simulation.board_layout import Layout
from m2r2_ros.simulation.objects import BY_NAME, OBJECTS, BoardObject, neighbours
from m2r2_ros.simulation.operator import Operator, Style
from m2r2_ros.simulation.rig import Rig

_STARTS_ON_BOARD = 0.5  # as many parts to take off as to put on
_PICK_SLIP, _INSERT_SLIP = 0.04, 0.06
_TRIES = 2


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
    """Works through all objects in random order, round after round, until enough is attempted."""

    def __init__(
        self, rig: Rig, layout: Layout, on_board: frozenset[str], rng: np.random.Generator
    ):
        self._rig, self._rng = rig, rng
        self._operator = Operator(rig, layout, sample_style(rng), rng)
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
        if not self._try(self._operator.pick, thing, _PICK_SLIP):
            self._recover(thing)
            return
        self._maybe_pause(0.35)
        if self._try(self._operator.insert, thing, _INSERT_SLIP):
            self._on_board.add(thing.name)
            self._let_go()
        elif self._operator.holds(thing):
            self._put_back(thing)
        else:
            self._let_go()

    def _disassemble(self, thing: BoardObject) -> None:
        self._on_board.discard(thing.name)
        if self._try(self._operator.remove, thing, 0.0):
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

    def _try(self, activity, thing: BoardObject, slip: float) -> bool:
        """Attempt an activity up to _TRIES times; the first may be a slip on purpose."""
        for attempt in range(_TRIES):
            slips = attempt == 0 and self._rng.uniform() < slip
            if activity(thing, slips) if slip else activity(thing):
                return True
            if slip is _INSERT_SLIP and not self._operator.holds(thing):
                return False
            self._pause(0.3, 1.0)
        return False

    def _let_go(self) -> None:
        self._operator.retreat(self._rng.uniform(0.05, 0.1))
        self._maybe_pause(0.5)

    def _maybe_pause(self, chance: float) -> None:
        if self._rng.uniform() < chance:
            self._pause(0.4, 1.7)

    def _pause(self, least_s: float, most_s: float) -> None:
        self._rig.wait(self._rng.uniform(least_s, most_s))
