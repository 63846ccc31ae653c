# SPDX-License-Identifier: Apache-2.0
"""The figures of outcome and progress against their definitions in docs/measures.md."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.datasets.frame_outcomes import FAILED, SUCCEEDED, UNJUDGED
from m2r2_ros.evaluation.discrimination import auroc, interval
from m2r2_ros.evaluation.outlook import (
    ToldOutcome,
    ToldOutlook,
    ToldProgress,
    TrueAction,
    told_outlook,
    true_actions,
)
from m2r2_ros.evaluation.outlook_scores import score_outlook
from m2r2_ros.evaluation.tables import outlook_text
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_dict(
    {
        "format": 1,
        "labels": ["wait", "pick cap", "pick bolt", "insert cap"],
        "idle": ["wait"],
        "parts": {
            f"{action} {thing}": {"action": action, "object": thing}
            for action, thing in (("pick", "cap"), ("pick", "bolt"), ("insert", "cap"))
        },
    }
)
MEDIANS = {"pick cap": 2.0, "pick bolt": 2.0, "insert cap": 4.0}


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_auroc_counts_pairs(cases):
    wins = [
        (high > low) + (high == low) / 2
        for high, positive in cases
        if positive
        for low, other in cases
        if not other
    ]
    found = auroc([score for score, _ in cases], [positive for _, positive in cases])
    assert found == (pytest.approx(sum(wins) / len(wins)) if wins else None)


def test_an_interval_is_of_whole_recordings():
    mean = lambda cases: sum(cases) / len(cases) if cases else None  # noqa: E731
    assert interval([[1.0] * 5] * 4, mean) == (1.0, 1.0)
    low, high = interval([[0.0] * 9, [1.0] * 9], mean)
    assert (low, high) == (0.0, 1.0)
    assert interval([], mean) is None and interval([[], []], mean) is None


def test_true_actions_end_where_label_or_outcome_changes():
    labels = ["wait", "pick cap", "pick cap", "pick cap", "unlabelled", "insert cap"]
    outcomes = np.array([SUCCEEDED, FAILED, SUCCEEDED, SUCCEEDED, UNJUDGED, UNJUDGED])
    assert true_actions(labels, outcomes, np.arange(7.0), VOCABULARY) == [
        TrueAction("pick cap", 1, 2, False),
        TrueAction("pick cap", 2, 4, True),
        TrueAction("insert cap", 5, 6, None),
    ]
    assert [a.success for a in true_actions(labels, None, np.arange(7.0), VOCABULARY)] == [None] * 2


def drawn(random: np.random.Generator) -> list[TrueAction]:
    """Twenty actions with pauses."""
    actions, now = [], 0.0
    for _ in range(20):
        label = str(random.choice(list(MEDIANS)))
        start = now + random.uniform(0.2, 1)
        now = start + random.uniform(1, 5)
        actions.append(TrueAction(label, start, now, bool(random.integers(2))))
    return actions


def told_truly(actions: list[TrueAction]) -> ToldOutlook:
    outcomes, progress = [], []
    for label, start, end, success in actions:
        action = VOCABULARY.action_of(label)
        outcomes.append(ToldOutcome(action, start, end, float(success)))
        for time in np.arange(start, end, 0.1)[1:]:
            progress.append(ToldProgress(time, action, start, (time - start) / (end - start)))
    return ToldOutlook(outcomes, progress)


@pytest.mark.parametrize("seed", range(5))
def test_the_truth_is_the_best_that_can_be_told(seed):
    random = np.random.default_rng(seed)
    recordings = [(told_truly(actions), actions) for actions in (drawn(random), drawn(random))]
    scores = score_outlook(recordings, VOCABULARY, MEDIANS)
    every = [action for _, actions in recordings for action in actions]
    for name, of in scores["outcome"].items():
        own = [a for a in every if VOCABULARY.action_of(a.label) == name]
        assert of["succeeded"] == sum(a.success for a in own)
        assert of["met"] == of["told"] == of["succeeded"] + of["failed"] == len(own)
        assert (of["auroc"], of["ece"], of["f1_failures"]) == (1.0, 0.0, 1.0)
        lengths = [(a.end_s - a.start_s, a.success) for a in own]
        by_length = auroc(*zip(*lengths, strict=True))
        assert of["auroc_duration"] == pytest.approx(max(by_length, 1 - by_length))
    assert set(scores["progress"]) == {"all", "failed", "succeeded"}
    assert scores["progress"]["all"]["error"] == pytest.approx(0)
    assert scores["progress"]["all"]["elapsed_error"] > 0.05
    assert scores["progress"]["all"]["told"] == pytest.approx(1.0)
    assert "AUROC 1.00 (1.00 to 1.00)" in outlook_text(scores)


def test_what_is_missed_unknown_or_false_counts_as_the_page_says():
    actions = [
        TrueAction("pick cap", 0, 2, False),  # caught
        TrueAction("pick bolt", 3, 5, False),  # missed: too little of it
        TrueAction("pick cap", 6, 8, False),  # unknown
        TrueAction("pick cap", 9, 11, True),  # told as a failure
        TrueAction("pick cap", 12, 14, True),
        TrueAction("insert cap", 20, 24, None),
    ]
    told = [
        ToldOutcome("pick", 0, 2.5, 0.1),
        ToldOutcome("pick", 4.5, 5.5, 0.1),  # about nothing
        ToldOutcome("pick", 6, 8, None),
        ToldOutcome("pick", 9, 11, 0.3),
        ToldOutcome("pick", 12, 14, 0.9),
        ToldOutcome("insert", 20, 24, 0.1),
    ]
    scores = score_outlook([(ToldOutlook(told, []), actions)], VOCABULARY, MEDIANS)["outcome"]
    assert list(scores) == ["pick"]
    of = scores["pick"]
    assert (of["succeeded"], of["failed"], of["met"], of["told"]) == (2, 3, 4, 3)
    # Successes 0.3 and 0.9 against failures 0.1 and one half.
    assert of["auroc"] == pytest.approx(3 / 4)
    assert of["f1_failures"] == pytest.approx(2 * 1 / (2 * 1 + 2 + 2))
    assert of["ece"] == pytest.approx((2 * abs(0.9 - 1) + abs(0.7 - 0)) / 3)


def test_a_head_that_tells_no_outcome_has_no_auroc():
    actions = drawn(np.random.default_rng(0))
    told = [one._replace(success=None) for one in told_truly(actions).outcomes]
    scores = score_outlook([(ToldOutlook(told, []), actions)], VOCABULARY, MEDIANS)["outcome"]
    for of in scores.values():
        assert of["auroc"] is of["auroc_interval"] is of["ece"] is None
        assert (of["told"], of["f1_failures"]) == (0, 0.0)
    assert "0 told; F1 of failures 0.00" in outlook_text({"outcome": scores, "progress": {}})


def test_where_nothing_has_failed_a_head_that_says_so_is_not_the_worst():
    """It has no F1; one that tells of a failure has 0."""
    actions = [action._replace(success=True) for action in drawn(np.random.default_rng(0))]
    right = told_truly(actions).outcomes
    for told, f1 in ((right, None), ([one._replace(success=0.2) for one in right], 0.0)):
        scores = score_outlook([(ToldOutlook(told, []), actions)], VOCABULARY, MEDIANS)["outcome"]
        assert {of["f1_failures"] for of in scores.values()} == {f1}
        text = outlook_text({"outcome": scores, "progress": {}})
        assert ("F1 of failures" in text) is (f1 is not None)


def test_progress_is_of_the_frames_in_a_segment_of_the_activity():
    actions = [TrueAction("pick cap", 0, 2, False), TrueAction("insert cap", 2, 6, True)]
    progress = [
        ToldProgress(0.5, "insert", 0.0, 0.9),  # another activity
        ToldProgress(1.0, "pick", 0.5, 0.7),
        ToldProgress(2.0, "pick", 0.5, None),
        ToldProgress(4.0, "insert", 2.0, 0.4),
        ToldProgress(6.0, "insert", 2.0, 1.0),
    ]
    scores = score_outlook([(ToldOutlook([], progress), actions)], VOCABULARY, MEDIANS)["progress"]
    assert scores["failed"]["error"] == pytest.approx(0.2)
    assert scores["failed"]["told"] == pytest.approx(1 / 3)
    assert scores["failed"]["elapsed_error"] == pytest.approx(0.25)
    assert scores["succeeded"]["error"] == pytest.approx((0.1 + 0) / 2)
    assert scores["all"]["error"] == pytest.approx((0.2 + 0.05) / 2)
    assert scores["all"]["actions"] == 2


def test_times_count_from_the_first_frames_start():
    def event(status, start, end, **more):
        told = "pick", "cap", 1, 0.9, start * 10**9, end * 10**9, 0.5
        return SegmentEvent(end * 10**9, 0, status, "pick cap", *told, **more)

    ended = event(SegmentStatus.ENDED, 5, 7, outcome=ActionOutcome.FAILURE, outcome_confidence=0.8)
    unknown = event(SegmentStatus.ENDED, 7, 8)
    opened = event(SegmentStatus.ONGOING, 5, 6, progress=0.3)
    stamps = np.array([5, 6, 7]) * 10**9
    told = told_outlook([ended, unknown], [None, opened, None], stamps, 0.1)
    assert told.outcomes[0] == ("pick", 0.1, 2.1, pytest.approx(0.2))
    assert told.outcomes[1].success is None
    assert told.progress == [(1.1, "pick", 0.1, 0.3)]
