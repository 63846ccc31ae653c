# SPDX-License-Identifier: Apache-2.0
"""The goals of the benchmarks, and which of them a run has missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

GOALS_FILE = Path(__file__).with_name("goals.yaml")


@dataclass(frozen=True)
class GoalVerdict:
    """A measured figure beside its goal.

    name   e.g. "ingest.ratio": the benchmark, then the way through its result.
    best   the smallest value of all turns: the value itself where there is one turn only.
    """

    name: str
    value: float
    best: float
    most: float

    @property
    def is_missed(self) -> bool:
        """By more than the spread: not even the best turn has reached it."""
        return self.best > self.most

    def __str__(self) -> str:
        state = "MISSED" if self.is_missed else "reached"
        within = " within its spread" if self.value > self.most >= self.best else ""
        best = f" (best turn {self.best:g})" if self.best != self.value else ""
        return f"goal {state}{within}: {self.name} {self.value:g}{best}, at most {self.most:g}"


def read_goals() -> dict[str, float]:
    """Figure -> the largest value that is good enough."""
    return yaml.safe_load(GOALS_FILE.read_text("utf-8"))


def judge(results: Mapping[str, Any], goals: Mapping[str, float]) -> list[GoalVerdict]:
    """The goals whose figures are among the results; others were not measured here."""
    verdicts = []
    for name, most in goals.items():
        value = _at(results, name)
        if value is not None:
            spread = _at(results, f"{name}_spread") or [value]
            verdicts.append(GoalVerdict(name, value, min(value, *spread), most))
    return verdicts


def _at(results: Mapping[str, Any], name: str) -> Any:
    """What is at the end of a dotted name; None where the way ends before."""

    def step(place: Any, key: str) -> Any:
        return place.get(key) if isinstance(place, Mapping) else None

    return reduce(step, name.split("."), results)
