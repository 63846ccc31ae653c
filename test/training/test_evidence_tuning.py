# SPDX-License-Identifier: Apache-2.0
"""The tracker's parameters come from the middle of what is as good, on validation recordings."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from m2r2_ros.inference.procedure import Duration, Procedure
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.training import evidence_tuning
from m2r2_ros.training.evidence_tuning import tune_evidence
from m2r2_ros.training.tracker_tuning import Answers, TunedTracker, score_tracker
from m2r2_ros.vocabulary import Vocabulary

LABELS = ("rest", "stir", "pour")
VOCABULARY = Vocabulary(LABELS, ("rest",))
PROCEDURE = Procedure(
    (Duration(2.0, 0.5),) * 3, ((0, 5),), ((0, 1, 5), (1, 2, 5), (2, 0, 5), (0, 2, 2))
)
START = TrackerConfig(procedure_prior=0.3, min_duration_s=0.2)
EVIDENCE, LEVELS = evidence_tuning._EVIDENCE_PER_S, evidence_tuning._COMMIT_LEVEL


def scored(f1, delay_s) -> list[TunedTracker]:
    """Of each setting of the grid, by its row and column."""
    return [
        TunedTracker(TrackerConfig(), f1(row, column), 0.0, delay_s(row, column), 0.0, 100.0)
        for row in range(len(EVIDENCE))
        for column in range(len(LEVELS))
    ]


def chosen(f1, delay_s=lambda row, column: 0.3, most_delay_s=1.0) -> tuple[int, int]:
    index = evidence_tuning._middle_of_the_best(scored(f1, delay_s), most_delay_s)
    return divmod(index, len(LEVELS))


def test_where_all_are_alike_the_middle_is_taken() -> None:
    assert chosen(lambda row, column: 90.0) == (2, 2)


def test_a_peak_on_a_cliff_is_left_alone() -> None:
    """One setting is best by far, with bad ones around it; others are good together."""

    def f1(row: int, column: int) -> float:
        if (row, column) == (0, 4):
            return 99.0
        return 90.0 if row >= 3 and column <= 2 else 70.0

    row, column = chosen(f1)
    assert row >= 3 and column <= 2


def test_what_is_too_late_is_not_taken() -> None:
    row, _ = chosen(lambda row, column: 90.0 - row, lambda row, column: 1.0 - 0.2 * row, 0.5)
    assert row >= 3
    assert chosen(lambda row, column: 90.0, lambda row, column: 1.0 + row, 0.5)[0] == 0


def answers(seed: int) -> Answers:
    random = np.random.default_rng(seed)
    classes = np.repeat([0, 1, 2, 0, 1, 2, 0], 20)
    logits = np.eye(3)[classes] * 1.5 + random.normal(size=(len(classes), 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    boundary = np.zeros(len(classes), np.float32)
    truth = [LABELS[c] for c in classes]
    return Answers(str(seed), probabilities.astype(np.float32), boundary, truth)


def test_the_rest_stays_and_the_score_is_that_of_the_choice() -> None:
    recordings = [answers(seed) for seed in range(2)]
    tuned = tune_evidence(recordings, VOCABULARY, START, PROCEDURE, 0.8)
    kept = asdict(tuned.config) | {
        name: getattr(START, name) for name in ("evidence_per_s", "commit_level")
    }
    assert kept == asdict(START)
    again = score_tracker(recordings, VOCABULARY, tuned.config, PROCEDURE)
    assert again == tuned and tuned.procedure == PROCEDURE
    assert tuned.delay_s <= 0.8 and tuned.f1 > 80
    assert score_tracker(recordings, VOCABULARY, START).procedure is None


@pytest.mark.parametrize("values", [np.arange(12.0).reshape(3, 4), np.ones((5, 5))])
def test_neighbours_are_above_below_and_beside(values) -> None:
    found = evidence_tuning._with_neighbours(values)
    for row, column in np.ndindex(values.shape):
        near = [
            values[r, c] for r, c in np.ndindex(values.shape) if abs(r - row) + abs(c - column) <= 1
        ]
        assert found[row, column] == pytest.approx(np.mean(near))
