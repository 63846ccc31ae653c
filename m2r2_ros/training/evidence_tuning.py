# SPDX-License-Identifier: Apache-2.0
"""A tracker that decides by evidence, its parameters from the middle of what is as good.

A few validation recordings cannot tell neighbours apart, and of settings that score alike the
extreme ones break first on other days. So each setting is scored together with its neighbours, and
of all that come close to the best the one in the middle is taken.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.training.tracker_tuning import (
    Answers,
    TunedTracker,
    score_tracker,
    tune_naming,
    tune_tracker,
)
from m2r2_ros.vocabulary import Vocabulary

_EVIDENCE_PER_S = (1.0, 2.0, 4.0, 8.0, 16.0)
_COMMIT_LEVEL = (0.5, 0.6, 0.7, 0.8, 0.9)
# As good as the best: points of F1@50.
_CLOSE = 0.5


def choose_tracker(
    answers: Sequence[Answers],
    vocabulary: Vocabulary,
    start: TrackerConfig,
    procedure: Procedure,
    most_delay_s: float,
) -> TunedTracker:
    """One that decides by evidence, unless one that waits is worth more (`TunedTracker.worth`).

    Both as `start` has them, or tuned unless `most_delay_s` is 0.
    """
    if most_delay_s:
        deciding = tune_evidence(answers, vocabulary, start, procedure, most_delay_s)
        waiting = tune_tracker(answers, vocabulary, start, most_delay_s)
    else:
        deciding = score_tracker(answers, vocabulary, start, procedure)
        waiting = score_tracker(answers, vocabulary, start)
    bound_s = most_delay_s or math.inf
    return deciding if deciding.worth(bound_s) >= waiting.worth(bound_s) else waiting


def tune_evidence(
    answers: Sequence[Answers],
    vocabulary: Vocabulary,
    start: TrackerConfig,
    procedure: Procedure,
    most_delay_s: float,
) -> TunedTracker:
    """The middle of the parameters that are worth most (`TunedTracker.worth`), each scored together
    with its neighbours.

    All but the tuned parameters are as in `start`, `procedure_prior` among them: validation
    recordings follow the procedure and would always trust it.
    """

    def score(config: TrackerConfig) -> TunedTracker:
        progress.update()
        return score_tracker(answers, vocabulary, config, procedure)

    with Progress(desc="tracker", unit=" tried") as progress:
        tried = [
            score(replace(start, evidence_per_s=evidence, commit_level=level))
            for evidence, level in itertools.product(_EVIDENCE_PER_S, _COMMIT_LEVEL)
        ]
        best = tried[_middle_of_the_best(tried, most_delay_s)]
        return tune_naming(best, vocabulary, score)


def _middle_of_the_best(tried: Sequence[TunedTracker], most_delay_s: float) -> int:
    """Index of that which is taken, of the grid's settings row by row."""
    shape = len(_EVIDENCE_PER_S), len(_COMMIT_LEVEL)
    worth = np.array([one.worth(most_delay_s) for one in tried]).reshape(shape)
    smoothed = _with_neighbours(worth)
    places = np.argwhere(smoothed >= smoothed.max() - _CLOSE)
    middle = places[((places - places.mean(0)) ** 2).sum(1).argmin()]
    return int(np.ravel_multi_index(tuple(middle), shape))


def _with_neighbours(values: np.ndarray) -> np.ndarray:
    """The mean of each entry of a table and those above, below and beside it."""

    def summed(table: np.ndarray) -> np.ndarray:
        around = np.pad(table, 1)
        moved = [np.roll(around, step, axis) for axis in (0, 1) for step in (-1, 1)]
        return (around + sum(moved))[1:-1, 1:-1]

    return summed(values) / summed(np.ones_like(values))
