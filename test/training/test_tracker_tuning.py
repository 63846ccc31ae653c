# SPDX-License-Identifier: Apache-2.0
from dataclasses import asdict, replace

import numpy as np
import pytest

from m2r2_ros.evaluation.delay import beliefs_from_frames, timeliness
from m2r2_ros.evaluation.frame_times import nominal_edges, segments_from_frames
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.evaluation.streamed_predictions import nominal_stamps, track
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig
from m2r2_ros.labels import legacy_vocabulary
from m2r2_ros.training import tracker_tuning
from m2r2_ros.training.tracker_tuning import (
    Answers,
    TunedTracker,
    score_tracker,
    tune_tracker,
)

LABELS = ("No action", "Pick USB", "Pick BNC", "Insert USB")
VOCABULARY = legacy_vocabulary(LABELS)
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
    patient = tune_tracker([answers(flickers=3)], VOCABULARY, START, most_delay_s=5.0)
    hasty = tune_tracker([answers(flickers=3)], VOCABULARY, START, most_delay_s=0.15)
    assert patient.f1 == 100
    assert patient.config.confirm_s > hasty.config.confirm_s
    assert hasty.delay_s <= 0.15 < patient.delay_s
    assert hasty.f1 < patient.f1


def test_nothing_is_waited_for_without_need():
    chosen = tune_tracker([answers(flickers=0)], VOCABULARY, START, most_delay_s=5.0)
    assert chosen.f1 == 100
    assert chosen.config.confirm_s == 0.05
    tuned = {name for group in tracker_tuning._TRIED for name in group}
    tuned.add("object_unknown_below")
    kept = {name: value for name, value in asdict(chosen.config).items() if name not in tuned}
    assert asdict(START) == asdict(START) | kept


def test_a_limit_that_cannot_be_met_gives_the_shortest_delay():
    late = answers(flickers=0, late=6)
    chosen = tune_tracker([late], VOCABULARY, START, most_delay_s=0.3)
    assert chosen.delay_s > 0.3
    assert chosen.config.confirm_s == 0.05


def test_a_hundredth_above_the_limit_is_no_wall():
    def worth(f1: float, delay_s: float) -> float:
        return TunedTracker(START, f1, 0.0, delay_s, delay_s, 100.0).worth(0.55)

    assert worth(92.9, 0.54) == worth(92.9, 0.55) == 92.9
    assert worth(92.9, 0.57) == pytest.approx(91.9)
    assert worth(92.9, 0.56) > worth(91.2, 0.55) > worth(92.9, 0.58)


@pytest.mark.parametrize("late", [0, 4])
def test_scores_are_those_of_what_would_be_published(late):
    one = answers(flickers=2, late=late)
    stamps_ns = nominal_stamps(len(one.truth), 10)
    found = track(SegmentTracker(VOCABULARY, START), one.probabilities, one.boundary, stamps_ns)
    decided = (["nothing"] * late + found.held)[: len(one.truth)]
    scored = score_tracker([one], VOCABULARY, START)
    assert scored.label_delay_s == pytest.approx(mean_delay_s(decided, one.truth))
    activities = [list(map(VOCABULARY.coarse, labels)) for labels in (decided, one.truth)]
    assert scored.delay_s == pytest.approx(mean_delay_s(*activities))
    assert scored.f1 == score_many([(found.published, one.truth)])["f1@50"]
    assert scored.held == pytest.approx(100 * np.mean(np.array(decided) == one.truth))


def mean_delay_s(decided, truth):
    edges = nominal_edges(len(truth), 10)
    actions = [s for s in segments_from_frames(truth, edges) if not s.label.startswith("No")]
    found = timeliness(beliefs_from_frames(decided, edges), actions).delays_s
    lengths = [action.end_s - action.start_s for action in actions]
    return np.mean([length if d is None else d for length, d in zip(lengths, found, strict=True)])


def test_an_object_that_nobody_can_know_yet_does_not_hasten_the_tracker():
    """For a second the head takes one object that is picked for the other; later it flickers."""
    one = answers(flickers=3)
    probabilities = one.probabilities.copy()
    for start in (one.truth.index("Pick USB"), one.truth.index("Pick BNC")):
        unknown = slice(start, start + 10)
        probabilities[unknown, 1:3] = probabilities[unknown, 2:0:-1]
    chosen = tune_tracker([replace(one, probabilities=probabilities)], VOCABULARY, START, 0.6)
    assert chosen.delay_s <= 0.6 < chosen.label_delay_s
    assert chosen.config.confirm_s > 0.3


def test_an_object_is_named_when_a_planner_can_use_it():
    """The head is 75 % sure of each object all along, and right; naming it at the action's end
    would publish the same."""
    one = answers(flickers=0)
    probabilities = one.probabilities.copy()
    probabilities[20:40] = (0.01, 0.735, 0.245, 0.01)
    probabilities[80:100] = (0.01, 0.245, 0.735, 0.01)
    chosen = tune_tracker([replace(one, probabilities=probabilities)], VOCABULARY, START, 5.0)
    late = replace(chosen.config, object_unknown_below=0.8)
    named_late = score_tracker([replace(one, probabilities=probabilities)], VOCABULARY, late)
    assert chosen.f1 == named_late.f1 == 100
    assert chosen.config.object_unknown_below < 0.75 and chosen.held > named_late.held + 20


def test_it_waits_where_the_head_is_unsure_rather_than_always():
    """Pick and Insert look alike for half a second; waiting as long for all would be too late."""
    one = answers(flickers=0)
    probabilities = one.probabilities.copy()
    for start in range(20, len(one.truth), 20):
        if one.truth[start] != "No action":
            probabilities[start : start + 5] = (0.02, 0.3, 0.1, 0.58)
            if one.truth[start].startswith("Insert"):
                probabilities[start : start + 5] = (0.02, 0.58, 0.1, 0.3)
    chosen = tune_tracker([replace(one, probabilities=probabilities)], VOCABULARY, START, 0.65)
    assert chosen.f1 == 100
    assert chosen.config.sure_above > 0.58
    assert chosen.delay_s <= 0.65


def test_a_head_that_recognises_nothing_is_late_by_the_whole_action():
    wrong = replace(answers(flickers=0), truth=["Place BNC"] * 140)
    scored = score_tracker([wrong], VOCABULARY, START)
    assert scored.recognised == 0
    assert scored.f1 == 0 and scored.delay_s == scored.label_delay_s == pytest.approx(14)
