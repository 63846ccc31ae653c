# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace

import numpy as np
import pytest

from m2r2_ros.evaluation.delay import decision_delays, mean_decision_delay
from m2r2_ros.evaluation.streaming import track
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig
from m2r2_ros.training.tracker_tuning import Answers, score_tracker, tune_tracker

LABELS = ("No action", "Pick USB", "Pick BNC", "Insert USB")
START = TrackerConfig(min_duration_s=0.2)


def answers(flickers: int, late: int = 0) -> Answers:
    """Segments of two seconds that a head knows, but for wrong ones of `flickers` frames."""
    random = np.random.default_rng(0)
    classes = np.repeat([0, 1, 3, 0, 2, 3, 0], 20)
    said = classes.copy()
    for start in range(8, len(classes), 20):
        said[start : start + flickers] = (classes[start] + 1) % len(LABELS)
    probabilities = np.full((len(classes), len(LABELS)), 0.02, np.float32)
    probabilities[np.arange(len(classes)), said] = 0.94
    boundary = random.uniform(0, 0.1, len(classes)).astype(np.float32)
    return Answers("a", probabilities, boundary, [LABELS[i] for i in classes], late)


def test_flickers_are_worth_waiting_for_only_if_there_is_time():
    patient = tune_tracker([answers(flickers=3)], LABELS, START, most_delay_s=5.0)
    hasty = tune_tracker([answers(flickers=3)], LABELS, START, most_delay_s=0.15)
    assert patient.f1 == 100
    assert patient.config.confirm_s > hasty.config.confirm_s
    assert hasty.delay_s <= 0.15 < patient.delay_s
    assert hasty.f1 < patient.f1


def test_nothing_is_waited_for_without_need():
    chosen = tune_tracker([answers(flickers=0)], LABELS, START, most_delay_s=5.0)
    assert chosen.f1 == 100
    assert chosen.config.confirm_s == 0.1
    assert chosen.config == replace(
        START,
        confirm_s=0.1,
        boundary_trust=chosen.config.boundary_trust,
        hysteresis=chosen.config.hysteresis,
    )


def test_a_limit_that_cannot_be_met_gives_the_shortest_delay():
    late = answers(flickers=0, late=6)
    chosen = tune_tracker([late], LABELS, START, most_delay_s=0.3)
    assert chosen.delay_s > 0.3
    assert chosen.config.confirm_s == 0.1


@pytest.mark.parametrize("late", [0, 4])
def test_scores_are_those_of_what_would_be_published(late):
    one = answers(flickers=2, late=late)
    found = track(SegmentTracker(LABELS, START), one.probabilities, one.boundary, 10)
    decided = (["nothing"] * late + found.decided)[: len(one.truth)]
    expected = mean_decision_delay(decision_delays(decided, one.truth, 0.1))
    assert score_tracker([one], LABELS, START).delay_s == pytest.approx(expected)


def test_a_head_that_recognises_nothing_is_infinitely_late():
    wrong = replace(answers(flickers=0), truth=["Insert BNC"] * 140)
    scored = score_tracker([wrong], LABELS, START)
    assert scored.f1 == 0 and scored.delay_s == math.inf
