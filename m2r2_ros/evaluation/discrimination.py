# SPDX-License-Identifier: Apache-2.0
"""How well a score tells two kinds of cases apart, and how sure a figure of recordings is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

Case = TypeVar("Case")
# Bootstrap samples, and the part of them that lies within the interval.
_SAMPLES, _WITHIN = 1000, 0.95


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Probability that a positive case has the higher score; a tie counts half. None without both.

    Mann and Whitney's statistic.
    """
    values, is_positive = np.asarray(scores, float), np.asarray(positive, bool)
    high, low = values[is_positive], values[~is_positive]
    if not len(high) or not len(low):
        return None
    order = np.sort(low)
    below = np.searchsorted(order, high, "left") + np.searchsorted(order, high, "right")
    return float(below.sum() / (2 * len(high) * len(low)))


def interval(
    recordings: Sequence[Sequence[Case]], figure: Callable[[list[Case]], float | None]
) -> tuple[float, float] | None:
    """95 % of a figure's values over recordings drawn with replacement (Efron 1979).

    Cases of one recording are alike, so whole recordings are drawn. Samples without a figure are
    left out; None where that is more than half of them.
    """
    random, found = np.random.default_rng(0), []
    for _ in range(_SAMPLES if recordings else 0):
        drawn = random.integers(len(recordings), size=len(recordings))
        value = figure([case for index in drawn for case in recordings[index]])
        if value is not None:
            found.append(value)
    if len(found) <= _SAMPLES // 2:
        return None
    low, high = np.quantile(found, ((1 - _WITHIN) / 2, (1 + _WITHIN) / 2))
    return float(low), float(high)
