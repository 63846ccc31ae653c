# SPDX-License-Identifier: Apache-2.0
"""Metrics against numbers worked out by hand, brute-force oracles and properties."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.metrics import (
    Counts,
    LabelRun,
    boundary_counts,
    find_runs,
    overlap_counts,
    score,
    score_many,
)

KEYS = {"acc", "edit", "f1@10", "f1@25", "f1@50", "dr", "dr_truth"}


def spell(text: str) -> list[str]:
    """ "A10 B5" is ten frames of A, then five of B."""
    return [part[0] for part in text.split() for _ in range(int(part[1:]))]


# ---------------------------------------------------------------- golden numbers, by hand


def test_hand_computed_recording():
    truth = spell("A20 B20 A10 C50")
    prediction = spell("A24 B10 C4 A10 C52")
    # Right: A 20 of 20, B 10 of 20 (frames 24..33), A 8 of 10 (40..47), C 50 of 50: 88.
    # Orders ABAC and ABCAC: one insertion, 1 - 1/5.
    # IoU: A 20/24, B 10/20, first C none, A 8/12 (38..47 with 40..49), C 50/52.
    # Boundaries 20 40 50 against 24 34 38 48: 20 has {24}; 40 has {34, 38, 48}: two extra;
    # 50 has {48}, its nearest, and 40's nearest is 38: three found, two extra, none missed.
    assert score(prediction, truth) == pytest.approx(
        {
            "acc": 88.0,
            "edit": 80.0,
            "f1@10": 100 * 8 / 9,
            "f1@25": 100 * 8 / 9,
            "f1@50": 100 * 8 / 9,
            "dr": 100 * 6 / 8,
            # 40 and 50 are each near to the other: two extra beside three found.
            "dr_truth": 100 * 6 / 8,
        }
    )


def test_overlap_threshold_is_inclusive():
    truth, prediction = [LabelRun("A", 0, 10)], [LabelRun("A", 0, 5)]
    assert overlap_counts(prediction, truth, 0.5) == Counts(1, 0, 0)
    assert overlap_counts(prediction, truth, 0.51) == Counts(0, 1, 1)


def test_a_true_segment_is_claimed_once():
    truth = spell("A30 B30")
    prediction = spell("A10 C1 A19 B30")
    assert overlap_counts(find_runs(prediction), find_runs(truth), 0.1) == Counts(2, 2, 0)


def test_perfect_last_segment_of_one_frame_counts():
    labels = spell("A20 B1")
    assert score(labels, labels)["f1@50"] == 100
    assert find_runs(labels)[-1] == LabelRun("B", 20, 21)


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        ("A50 B50", "A60 B40", Counts(1, 0, 0)),
        ("A50 B50", "A61 B39", Counts(0, 1, 1)),
        ("A50 B50", "A40 B60", Counts(1, 0, 0)),
        # One predicted boundary near two true ones is counted once, and misses neither.
        ("A50 B10 A40", "A55 B45", Counts(1, 0, 0)),
        # Two near one: the nearest counts, the other is false.
        ("A50 B50", "A48 C5 B47", Counts(1, 1, 0)),
        # Each of two is near both: two extra, although all is perfect.
        ("A50 B10 A40", "A50 B10 A40", Counts(2, 2, 0)),
        # Far from everything.
        ("A50 B50", "A10 C10 A30 B50", Counts(1, 2, 0)),
    ],
)
def test_detection_rate_counts(truth, prediction, expected):
    assert boundary_counts(spell(prediction), spell(truth)) == expected


def test_sums_and_means_over_recordings():
    first = spell("A10 B10"), spell("A10 B10")
    second = spell("C40"), spell("A20 B20")
    expected = {
        "acc": 100 * 20 / 60,  # all frames
        "edit": 50.0,  # mean of 100 and 0
        "f1@10": 100 * 4 / (4 + 1 + 2),  # from sums: tp 2, fp 1, fn 2
        "dr": 50.0,
    }
    result = score_many([first, second])
    assert {key: result[key] for key in expected} == pytest.approx(expected)


# ---------------------------------------------------------------- edge cases


@pytest.mark.parametrize(
    ("prediction", "truth", "f1"),
    [
        ("A9", "A9", 100),  # background on both sides: nothing to find, nothing found
        ("A9", "B9", 0),
        ("B9", "A9", 0),
        ("A4 B5", "A5 B4", 100),
    ],
)
def test_background_only_is_defined(prediction, truth, f1):
    result = score(spell(prediction), spell(truth), background=["A"])
    assert result["f1@10"] == f1
    assert result["edit"] == f1


@pytest.mark.parametrize("value", [0.0, 100.0])
def test_what_nothing_against_nothing_scores_is_the_callers_choice(value):
    pairs = [(spell("A9"), spell("A9"))]
    result = score_many(pairs, background=["A"], both_empty=value)
    assert result == {"acc": 100, **dict.fromkeys(KEYS - {"acc"}, value)}


def test_nothing_against_something_scores_0_whatever_nothing_against_nothing_does():
    result = score(spell("A9"), spell("B9"), background=["A"], both_empty=100)
    assert result["edit"] == result["f1@10"] == result["f1@50"] == 0


def test_background_is_a_class_by_default():
    assert score(spell("A9"), spell("A4 B5"))["f1@10"] == pytest.approx(100 * 2 / 3)


def test_empty_sequences_agree():
    assert score([], []) == dict.fromkeys(KEYS, 100)


def test_labels_may_be_numbers_or_numpy_values():
    ids = np.array([0, 0, 1, 1])
    assert score(ids, [0, 0, 1, 1])["f1@50"] == 100


def test_unequal_lengths_are_an_error():
    with pytest.raises(M2R2Error, match="prediction has 3 frames, the ground truth 4"):
        score("AAA", "AAAA")


def test_nothing_to_score_is_an_error():
    with pytest.raises(M2R2Error, match="no recording"):
        score_many([])


# ---------------------------------------------------------------- oracles


def oracle_edit(a: list, b: list) -> float:
    @cache
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
            distance(i - 1, j - 1) + (a[i - 1] != b[j - 1]),
        )

    return 100 * (1 - distance(len(a), len(b)) / max(len(a), len(b)))


def frame_sets(labels: list) -> list[tuple[str, frozenset[int]]]:
    groups: list[tuple[str, set[int]]] = []
    for frame, label in enumerate(labels):
        if frame == 0 or labels[frame - 1] != label:
            groups.append((label, set()))
        groups[-1][1].add(frame)
    return [(label, frozenset(frames)) for label, frames in groups]


def oracle_f1(prediction: list, truth: list, overlap: float) -> float:
    free, tp, fp = list(frame_sets(truth)), 0, 0
    taken: list[frozenset[int]] = []
    for label, frames in frame_sets(prediction):
        best = max(
            ((len(frames & g) / len(frames | g) if label == other else 0.0) for other, g in free),
        )
        owner = next(
            g
            for other, g in free
            if (len(frames & g) / len(frames | g) if label == other else 0.0) == best
        )
        if best >= overlap and owner not in taken:
            taken.append(owner)
            tp += 1
        else:
            fp += 1
    fn = len(free) - tp
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return 100 * 2 * precision * recall / (precision + recall) if tp else 0.0


def oracle_detection_rate(prediction: list, truth: list) -> float:
    """The definition word by word, one boundary at a time."""
    p = [i for i in range(1, len(prediction)) if prediction[i] != prediction[i - 1]]
    g = [i for i in range(1, len(truth)) if truth[i] != truth[i - 1]]
    if not p and not g:
        return 100.0
    tp = fp = fn = 0
    used = []
    for boundary in g:
        near = [x for x in p if -10 <= x - boundary <= 10]
        if not near:
            fn += 1
            continue
        nearest = sorted(near, key=lambda x: (abs(x - boundary), x))[0]
        if nearest not in used:
            used.append(nearest)
            tp += 1
        fp += len(near) - 1
    for x in p:
        if all(abs(x - boundary) > 10 for boundary in g):
            fp += 1
    if not tp:
        return 0.0
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return 100 * 2 * precision * recall / (precision + recall)


runs = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 25)), min_size=1, max_size=10)


@st.composite
def recordings(draw) -> tuple[list[str], list[str]]:
    """A prediction and a truth of equal length."""
    a, b = ([label for label, n in draw(runs) for _ in range(n)] for _ in range(2))
    frames = min(len(a), len(b))
    return a[:frames], b[:frames]


@given(recordings())
def test_agrees_with_the_oracles(recording):
    prediction, truth = recording
    result = score(prediction, truth)
    expected = {
        "acc": 100 * sum(map(str.__eq__, prediction, truth)) / len(truth),
        "edit": oracle_edit(
            [label for label, _ in frame_sets(prediction)],
            [label for label, _ in frame_sets(truth)],
        ),
        **{f"f1@{k}": oracle_f1(prediction, truth, k / 100) for k in (10, 25, 50)},
        "dr": oracle_detection_rate(prediction, truth),
        "dr_truth": oracle_detection_rate(truth, truth),
    }
    assert result == pytest.approx(expected)


# ---------------------------------------------------------------- properties


@given(recordings(), st.sets(st.sampled_from("ABC")))
def test_bounded(recording, background):
    result = score(*recording, background)
    assert set(result) == KEYS
    assert all(0 <= value <= 100 for value in result.values())


@given(recordings(), st.permutations("ABC"), st.sets(st.sampled_from("ABC")))
def test_invariant_to_relabelling(recording, names, background):
    new = dict(zip("ABC", names, strict=True))
    renamed = [[new[label] for label in labels] for labels in recording]
    same = score(*renamed, {new[label] for label in background}) == score(*recording, background)
    assert same


@given(runs, st.sets(st.sampled_from("ABC")))
def test_equal_sequences_score_100(parts, background):
    labels = [label for label, n in parts for _ in range(n)]
    result = score(labels, labels, background)
    assert result.pop("dr") == result.pop("dr_truth")
    assert all(value == 100 for value in result.values())


@given(st.lists(st.sampled_from("ABC"), min_size=1, max_size=8))
def test_detection_rate_of_equal_sequences_is_100_for_segments_over_the_tolerance(order):
    labels = [label for label in order for _ in range(11)]
    assert score(labels, labels)["dr"] == 100


@given(st.lists(recordings(), min_size=2, max_size=4), st.randoms())
def test_order_of_recordings_does_not_matter(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert score_many(shuffled) == pytest.approx(score_many(pairs))
