# SPDX-License-Identifier: Apache-2.0
"""Which way the final models go, and what the folds say that they be trained with."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.learning.outcome import Trial
from m2r2_ros.learning.stages import HeadChoices


class Choice(NamedTuple):
    """A way, in words why, and the way that each fold's training groups alone would choose."""

    way: str
    reason: str
    in_fold: Mapping[str, str]


def choose_way(trials: Sequence[Trial]) -> Choice:
    """The lowest cost on the recordings that chose the epochs: none that is held out counts.

    All ways have trials in the same folds; of ways that are even, the first one.
    """
    ways = list(dict.fromkeys(trial.way for trial in trials))
    costs = {way: _mean(trial.cost for trial in trials if trial.way == way) for way in ways}
    best = min(ways, key=costs.__getitem__)
    in_fold = {
        fold: min((t for t in trials if t.fold == fold), key=lambda trial: trial.cost).way
        for fold in dict.fromkeys(trial.fold for trial in trials)
    }
    return Choice(best, _reason(trials, ways, best), in_fold)


def _reason(trials: Sequence[Trial], ways: Sequence[str], best: str) -> str:
    if len(ways) == 1:
        return "the only way that was tried"
    inside = {way: _mean(trial.inside for trial in trials if trial.way == way) for way in ways}
    told = ", ".join(f"{way} {inside[way]:.1f}" for way in ways)
    said = f"F1@50 inside the training groups, mean of the folds: {told}"
    if sum(f"{inside[way]:.1f}" == f"{inside[best]:.1f}" for way in ways) > 1:
        said += "; where that is even, the lower loss decides"
    return said


def final_epochs(trials: Sequence[Trial]) -> tuple[int, int]:
    """Of encoder and head: the median over the folds, rounded up."""
    encoder, head = zip(*(trial.epochs for trial in trials), strict=True)
    return math.ceil(statistics.median(encoder)), math.ceil(statistics.median(head))


def final_choices(choices: Sequence[HeadChoices]) -> HeadChoices:
    """Each number the median over the folds, and how the tracker decides as most of them do."""
    configs = [asdict(one.tracker) for one in choices]
    values = {name: statistics.median(config[name] for config in configs) for name in configs[0]}
    decided = sum(one.by_evidence for one in choices)
    return HeadChoices(
        temperature=statistics.median(one.temperature for one in choices),
        tracker=TrackerConfig(**values),
        by_evidence=2 * decided >= len(choices),
    )


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)
