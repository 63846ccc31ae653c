# SPDX-License-Identifier: Apache-2.0
"""Labels for segments that have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise


def label_by_overlap(boundaries: Sequence[int], truth: Sequence[str]) -> list[str]:
    """Frame labels (T,): each segment gets the true label that most of its frames have.

    `boundaries`: first frames of all segments but the first, ascending in 1..T-1. Of labels with
    equally many frames the earliest wins. M2R2 IV-C labels unsupervised methods so; the labels
    are then better than any method without ground truth could give.
    """
    labels: list[str] = []
    for start, end in pairwise([0, *boundaries, len(truth)]):
        ((label, _),) = Counter(truth[start:end]).most_common(1)
        labels += [label] * (end - start)
    return labels
