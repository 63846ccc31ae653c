# SPDX-License-Identifier: Apache-2.0
"""The field's metrics over frame labels: accuracy, edit, F1@k (MS-TCN), DR (M2R2), boundary F1.

Labels are any hashable values, one a frame. A segment is a run of equal labels `[start, end)`; the
last one ends at T, as in MS-TCN (the code of ASRF and DiffAct ends it at T - 1, so that a perfect
last segment of one frame counts as wrong). Labels in `background` make no segments for edit and F1
and are frames like all others for accuracy and DR. The default is none: idle is a class, as in the
M2R2 authors' tool; ms-tcn, ASRF and DiffAct pass ["background"].

Where neither side has anything to find, a ratio is 0 / 0: the score is `both_empty`, 100 unless the
caller says otherwise (public code gives 0 or NaN, or fails). If one side alone has nothing: 0.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from m2r2_ros.errors import M2R2Error

OVERLAPS = (10, 25, 50)
# M2R2, IV-B: t_e = 10 frames, which are a second of its features.
BOUNDARY_TOLERANCE = 10

Labels = Sequence[Hashable]


class LabelRun(NamedTuple):
    """Frames `[start, end)` with one label."""

    label: Hashable
    start: int
    end: int


class Counts(NamedTuple):
    """True positives, false positives, false negatives; they add up over recordings."""

    tp: int
    fp: int
    fn: int

    def f1(self, both_empty: float = 100.0) -> float:
        """F1 in percent; `both_empty` when nothing was to be found and nothing was."""
        found, total = 2 * self.tp, 2 * self.tp + self.fp + self.fn
        return 100.0 * found / total if total else both_empty


def score(
    prediction: Labels,
    truth: Labels,
    background: Collection[Hashable] = (),
    both_empty: float = 100.0,
) -> dict[str, float]:
    """All metrics of one recording, in percent: acc, edit, f1@10, f1@25, f1@50, dr, dr_truth.

    Raises M2R2Error when the two sequences differ in length.
    """
    return score_many([(prediction, truth)], background, both_empty)


def score_many(
    pairs: Iterable[tuple[Labels, Labels]],
    background: Collection[Hashable] = (),
    both_empty: float = 100.0,
    tolerance: int = BOUNDARY_TOLERANCE,
) -> dict[str, float]:
    """Metrics over a data set of (prediction, truth) pairs, in percent.

    Accuracy is over all frames, F1 from counts summed over recordings, edit and DR are means over
    recordings, as in the M2R2 authors' tool. `dr_truth` is the DR of the truth against itself: DR
    can exceed it where short segments are missed, and means nothing without it; `tolerance` is
    theirs, in frames. Raises M2R2Error
    on an empty data set and on a pair of unequal lengths.
    """
    pairs = [(list(prediction), list(truth)) for prediction, truth in pairs]
    _check(pairs)
    runs = [(find_runs(p, background), find_runs(t, background)) for p, t in pairs]
    return {
        "acc": _frame_accuracy(pairs),
        "edit": float(np.mean([edit_score(*both, both_empty) for both in runs])),
        **{f"f1@{k}": _summed_counts(runs, k / 100).f1(both_empty) for k in OVERLAPS},
        "dr": _mean_detection_rate(pairs, both_empty, tolerance),
        "dr_truth": _mean_detection_rate([(t, t) for _, t in pairs], both_empty, tolerance),
    }


def boundary_f1(
    pairs: Iterable[tuple[Sequence[float], Sequence[float]]],
    tolerance: float,
    both_empty: float = 100.0,
) -> float:
    """F1 in percent of boundaries matched one to one, from counts summed over recordings.

    Each pair holds the predicted and the true boundaries of a recording in order, in the unit of
    `tolerance`; two match when they are at most that far apart. The match is a largest one, so the
    truth against itself scores 100.
    """
    counts = [_matched(predicted, true, tolerance) for predicted, true in pairs]
    return Counts(*map(sum, zip(*counts, strict=True))).f1(both_empty)


def find_runs(labels: Labels, background: Collection[Hashable] = ()) -> list[LabelRun]:
    """The runs of equal labels in order, without those whose label is in `background`."""
    edges = [0, *find_boundaries(labels), len(labels)] if len(labels) else []
    runs = [LabelRun(labels[start], start, end) for start, end in pairwise(edges)]
    return [run for run in runs if run.label not in background]


def find_boundaries(labels: Labels) -> list[int]:
    """The frames whose label differs from the frame before."""
    return [i for i in range(1, len(labels)) if labels[i] != labels[i - 1]]


def edit_score(
    prediction: Sequence[LabelRun], truth: Sequence[LabelRun], both_empty: float = 100.0
) -> float:
    """100 * (1 - Levenshtein distance of the label orders / the longer one's length)."""
    longer = max(len(prediction), len(truth))
    if not longer:
        return both_empty
    distance = _levenshtein([r.label for r in prediction], [r.label for r in truth])
    return 100.0 * (1 - distance / longer)


def overlap_counts(
    prediction: Sequence[LabelRun], truth: Sequence[LabelRun], overlap: float
) -> Counts:
    """Matches of F1@k: each predicted run, in order, claims the true run that it overlaps most.

    It is a true positive when the labels agree, the intersection over union is >= `overlap`
    (0..1], and no earlier run has claimed that true run.
    """
    claimed: set[int] = set()
    for run in prediction:
        ratios = [_intersection_over_union(run, other) for other in truth]
        best = int(np.argmax(ratios)) if ratios else 0
        if ratios and ratios[best] >= overlap:
            claimed.add(best)
    hits = len(claimed)
    return Counts(hits, len(prediction) - hits, len(truth) - hits)


def boundary_counts(
    prediction: Labels, truth: Labels, tolerance: int = BOUNDARY_TOLERANCE
) -> Counts:
    """Matches of the detection rate DR (M2R2, IV-B), counted as the authors' tool does.

    A true boundary is found by the nearest predicted one within +-`tolerance` frames; every
    further one there is a false positive, once for each true boundary it is near to. A predicted
    boundary that is the nearest of two true ones counts once. The measure is lenient (evenly spaced
    boundaries can score 45) and below 100 for a perfect prediction of segments shorter than
    `tolerance`: quote it beside F1.
    """
    predicted = np.array(find_boundaries(prediction), dtype=int)
    wanted = np.array(find_boundaries(truth), dtype=int)
    distance = np.abs(wanted[:, None] - predicted[None, :])
    near = distance <= tolerance
    found = near.any(axis=1)
    nearest = {int(np.argmin(row)) for row in distance[found]}
    extra = near.sum() - found.sum()
    stray = len(predicted) - near.any(axis=0).sum()
    return Counts(len(nearest), int(extra + stray), int(len(wanted) - found.sum()))


def _mean_detection_rate(
    pairs: Iterable[tuple[Labels, Labels]], both_empty: float, tolerance: int
) -> float:
    counts = (boundary_counts(*pair, tolerance) for pair in pairs)
    return float(np.mean([each.f1(both_empty) for each in counts]))


def _matched(predicted: Sequence[float], true: Sequence[float], tolerance: float) -> Counts:
    """On a line, taking the earliest possible partner each time gives a largest match."""
    hits = i = j = 0
    while i < len(predicted) and j < len(true):
        # Half a nanosecond: sums of frame lengths are not exact.
        if abs(predicted[i] - true[j]) <= tolerance + 5e-10:
            hits, i, j = hits + 1, i + 1, j + 1
        elif predicted[i] < true[j]:
            i += 1
        else:
            j += 1
    return Counts(hits, len(predicted) - hits, len(true) - hits)


def _check(pairs: Sequence[tuple[Labels, Labels]]) -> None:
    if not pairs:
        raise M2R2Error("there is no recording to score")
    for prediction, truth in pairs:
        if len(prediction) != len(truth):
            raise M2R2Error(
                f"the prediction has {len(prediction)} frames, the ground truth {len(truth)}"
            )


def _frame_accuracy(pairs: Iterable[tuple[Labels, Labels]]) -> float:
    right = [p == t for prediction, truth in pairs for p, t in zip(prediction, truth, strict=True)]
    return 100.0 * sum(right) / len(right) if right else 100.0


def _summed_counts(runs: Iterable[tuple[list[LabelRun], list[LabelRun]]], overlap: float) -> Counts:
    counts = [overlap_counts(prediction, truth, overlap) for prediction, truth in runs]
    return Counts(*map(sum, zip(*counts, strict=True)))


def _intersection_over_union(a: LabelRun, b: LabelRun) -> float:
    """0 for runs of different labels."""
    common = min(a.end, b.end) - max(a.start, b.start)
    if a.label != b.label or common <= 0:
        return 0.0
    return common / (max(a.end, b.end) - min(a.start, b.start))


def _levenshtein(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Edit distance, one NumPy row at a time."""
    columns = np.arange(len(b) + 1)
    row = columns
    for label in a:
        replaced = row[:-1] + np.fromiter((label != other for other in b), int, len(b))
        row = np.concatenate(([row[0] + 1], np.minimum(row[1:] + 1, replaced)))
        # Insertions: row[j] = min over k <= j of row[k] + (j - k).
        row = np.minimum.accumulate(row - columns) + columns
    return int(row[-1])
