# SPDX-License-Identifier: Apache-2.0
"""Who works the arm: an operator's parameters, and the operators of each split.

Ranges and sources are in docs/taskboard_sim_v2.md. The first parameter of every difficulty lies
outside of the training operators' range for all others, so that they are outside of the training
operators' convex hull with that difficulty alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

Range = tuple[float, float]
# How many operators work on each kind of split.
OPERATORS = {"training": 6, "test": 3, "shifted": 2}
_SEED = 20260


def _drawn(difficulty: str, training: Range, *unseen: Range):
    """A parameter of one difficulty: its range in training, and the ranges of other operators."""
    return field(metadata={"difficulty": difficulty, "training": training, "unseen": unseen})


@dataclass(frozen=True)
class Person:
    """One operator. Shares and chances are from 0 to 1; raises ValueError beyond all ranges."""

    # How fast: peak speeds of travel and of careful moves; looking before going down.
    speed_m_s: float = _drawn("pace", (0.16, 0.26), (0.12, 0.14), (0.30, 0.36))
    careful_m_s: float = _drawn("pace", (0.03, 0.05), (0.025, 0.06))
    looks_s: float = _drawn("pace", (0.1, 0.8), (0.1, 1.2))
    # By which ways: how far paths bend aside, as a part of their length, and in which order.
    bend: float = _drawn("manner", (0.0, 0.08), (0.13, 0.20))
    travel_height_m: float = _drawn("manner", (0.15, 0.21), (0.14, 0.24))
    grasp_m: float = _drawn("manner", (0.0, 1.5e-3), (0.0, 2.5e-3))
    same_kind: float = _drawn("manner", (0.0, 0.4), (0.0, 0.8))
    # What goes wrong: a factor to the shares that fail, then chances.
    errs: float = _drawn("mistakes", (0.7, 1.3), (1.5, 2.0))
    wrong_pick: float = _drawn("mistakes", (0.01, 0.05), (0.01, 0.08))
    regrasp: float = _drawn("mistakes", (0.05, 0.20), (0.05, 0.30))
    again: float = _drawn("mistakes", (0.3, 0.8), (0.1, 0.95))
    # Where it stops: with a part in hand, and before careful moves.
    pauses: float = _drawn("pauses", (0.25, 0.50), (0.60, 0.75))
    longest_pause_s: float = _drawn("pauses", (1.5, 4.0), (1.0, 6.0))
    hesitation: float = _drawn("pauses", (0.1, 0.4), (0.1, 0.6))

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            ranges = (training_range(name), *unseen_ranges(name))
            if not any(low <= value <= high for low, high in ranges):
                raise ValueError(f"{name} {value} is in none of {ranges}")


def training_range(name: str) -> Range:
    return Person.__dataclass_fields__[name].metadata["training"]


def unseen_ranges(name: str) -> tuple[Range, ...]:
    return Person.__dataclass_fields__[name].metadata["unseen"]


def parameters_of(difficulty: str) -> list[str]:
    return [each.name for each in fields(Person) if each.metadata["difficulty"] == difficulty]


def people(kind: str) -> list[Person]:
    """The operators of a kind of split, always the same, evenly spread over every range."""
    count, key = OPERATORS[kind], list(OPERATORS).index(kind)
    rng = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=(key,)))
    columns = {}
    for each in fields(Person):
        ranges = (training_range(each.name),) if kind == "training" else unseen_ranges(each.name)
        shares = (rng.permutation(count) + rng.uniform(size=count)) / count
        columns[each.name] = [_within(ranges, share) for share in shares]
    return [Person(**{name: column[i] for name, column in columns.items()}) for i in range(count)]


def person_of(seed: int, kind: str) -> Person:
    """The operator of a recording: those of its kind of split take turns."""
    return people(kind)[seed % OPERATORS[kind]]


def _within(ranges: tuple[Range, ...], share: float) -> float:
    """The value that this share of the ranges, end to end, lies below."""
    left = share * sum(high - low for low, high in ranges)
    for low, high in ranges:
        if left <= high - low:
            return float(low + left)
        left -= high - low
    return float(ranges[-1][1])
