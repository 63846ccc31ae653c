# SPDX-License-Identifier: Apache-2.0
"""What the labels of the training recordings say of time: how long each lasts, what follows what.

It travels in the head's metadata, in seconds and counts, so that it holds at any rate of frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.inference.deeds import Deeds
from m2r2_ros.inference.world_order import WorldOrder
from m2r2_ros.vocabulary import Vocabulary

# Of a duration [s]: what is outside says nothing that a robot could use.
_SHORTEST_S, _LONGEST_S = 1e-3, 1e7
_MOST = 1 << 40


class Duration(NamedTuple):
    """Mean and standard deviation [s] of a log-normal distribution."""

    mean_s: float
    sd_s: float

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm."""
        return math.sqrt(math.log1p((self.sd_s / self.mean_s) ** 2))

    @property
    def median_s(self) -> float:
        return self.mean_s * math.exp(-(self.spread**2) / 2)

    @classmethod
    def of_logarithm(cls, mean: float, spread: float) -> Duration:
        """That whose logarithm, of seconds, has this mean and standard deviation."""
        mean_s = math.exp(mean + spread**2 / 2)
        return cls(mean_s, mean_s * math.sqrt(math.expm1(spread**2)))


@dataclass(frozen=True)
class Procedure:
    """Index = class id.

    durations  how long a segment of each class lasts.
    first      (class, count): how many recordings begin with it. Others: none.
    followed   (class, class, count): how often the second came right after the first. Others: not.
    world      what is done after what, on which objects; None: not counted.
    """

    durations: tuple[Duration, ...]
    first: tuple[tuple[int, int], ...] = ()
    followed: tuple[tuple[int, int, int], ...] = ()
    world: WorldOrder | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "durations_s": [list(duration) for duration in self.durations],
            "first": [list(row) for row in self.first],
            "followed": [list(row) for row in self.followed],
        } | ({} if self.world is None else {"world": self.world.to_dict()})

    @classmethod
    def from_dict(cls, values: dict[str, Any], vocabulary: Vocabulary) -> Procedure:
        """The inverse of `to_dict`, of what may come from anywhere. Raises M2R2Error."""
        classes = len(vocabulary.labels)
        rows = {name: _rows(values, name) for name in ("durations_s", "first", "followed")}
        if len(rows["durations_s"]) != classes:
            raise M2R2Error(f"procedure: {len(rows['durations_s'])} durations of {classes} labels")
        durations = tuple(_duration(row) for row in rows["durations_s"])
        counted = {name: _counts(rows[name], name, classes) for name in ("first", "followed")}
        if any(row[0] == row[1] for row in counted["followed"]):
            raise M2R2Error("procedure: 'followed' has a label that follows itself")
        world = None
        if "world" in values:
            world = WorldOrder.from_dict(values["world"], len(Deeds(vocabulary).exists))
        return cls(durations, **counted, world=world)


def _rows(values: dict[str, Any], name: str) -> list[list[Any]]:
    rows = values.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise M2R2Error(f"procedure: '{name}' must be a list of lists, got {brief(rows)}")
    return rows


def _duration(row: list[Any]) -> Duration:
    numbers = len(row) == 2 and all(type(x) in (int, float) for x in row)
    if not numbers or not (_SHORTEST_S <= row[0] <= _LONGEST_S and 0 < row[1] <= _LONGEST_S):
        raise M2R2Error(f"procedure: {brief(row)} is no mean and standard deviation in seconds")
    return Duration(float(row[0]), float(row[1]))


def _counts(rows: list[list[Any]], name: str, classes: int) -> tuple[Any, ...]:
    """Rows of class ids, each different, and a count."""
    length = {"first": 2, "followed": 3}[name]
    for row in rows:
        whole = len(row) == length and all(type(x) is int for x in row)
        if not whole or not all(0 <= x < classes for x in row[:-1]) or not 0 < row[-1] < _MOST:
            raise M2R2Error(f"procedure: '{name}' has {brief(row)}: no class ids and a count")
    if len({tuple(row[:-1]) for row in rows}) != len(rows):
        raise M2R2Error(f"procedure: '{name}' names the same labels twice")
    return tuple(map(tuple, rows))
