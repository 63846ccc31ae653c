# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in an attempt. Whether it fails then is for the physics to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Fault:
    """A slip of the operator's; the defaults are none.

    above_m     the fingers close so far above the part,
    beside_m    or so far beside it, along the pads.
    drops       the fingers open again: in a Pick as soon as the part leaves the ground, in a Remove
                while it is pulled, else on its way.
    offset_m    a held part is brought down so far beside its fixture,
    patience_s  is given up after pressing for so long,
    lets_go     and let go of then, as if it were home.
    """

    above_m: float = 0.0
    beside_m: float = 0.0
    drops: bool = False
    offset_m: float = 0.0
    patience_s: float = 7.0
    lets_go: bool = False


class Slips(NamedTuple):
    """Of an activity: how often an adept's first attempt has `usual`, and a beginner's faults.

    `share`: the part of people's attempts that have one of `peoples` faults.
    """

    chance: float
    usual: Fault
    drawn: Callable[[np.random.Generator], Fault]
    share: float
    peoples: Callable[[np.random.Generator], Fault]


NO_FAULT = Fault()
MISSED_PICK = Fault(above_m=0.06)
MISSED_INSERT = Fault(offset_m=5e-3, patience_s=2.5)
# Part of a beginner's faulty insertions after which the part is let go of: it is lost then.
_LETS_GO = 0.2


def _pick_fault(rng: np.random.Generator) -> Fault:
    """Fingers that close on air, above or beside the part, or lose it."""
    kind = rng.integers(3)
    if kind == 0:
        return Fault(above_m=rng.uniform(0.03, 0.06))
    if kind == 1:
        return Fault(beside_m=rng.choice((-1, 1)) * rng.uniform(0.03, 0.045))
    return Fault(drops=True)


def _insert_fault(rng: np.random.Generator) -> Fault:
    """A part that is pressed beside its fixture, for as long as a good one can take."""
    offset_m, patience_s = rng.uniform(4e-3, 7e-3), rng.uniform(1.2, 4.0)
    return Fault(offset_m=offset_m, patience_s=patience_s, lets_go=rng.uniform() < _LETS_GO)


def _no_fault(rng: np.random.Generator) -> Fault:
    return NO_FAULT


def _drop(rng: np.random.Generator) -> Fault:
    return Fault(drops=True)


def _insert_fault_or_drop(rng: np.random.Generator) -> Fault:
    return _drop(rng) if rng.uniform() < _DROPPED else _insert_fault(rng)


# Part of people's failing insertions that end before the board.
_DROPPED = 1 / 6

# Shares and their source: docs/taskboard_sim_v2.md. Remove is missed or lost as Pick is.
PICK_SLIPS = Slips(0.04, MISSED_PICK, _pick_fault, 0.08, _pick_fault)
INSERT_SLIPS = Slips(0.06, MISSED_INSERT, _insert_fault, 0.19, _insert_fault_or_drop)
REMOVE_SLIPS = Slips(0.0, NO_FAULT, _no_fault, 0.11, _pick_fault)
PLACE_SLIPS = Slips(0.0, NO_FAULT, _no_fault, 0.02, _drop)
