# SPDX-License-Identifier: Apache-2.0
"""What is usual among recordings, from the recordings themselves, some of which may be wrong."""

from __future__ import annotations

import numpy as np

# A normal variable is so many standard deviations off once in a billion; data have longer tails.
_DEVIATIONS = 6.0
# The median absolute deviation of a normal variable, times this, is its standard deviation.
_MAD_TO_SIGMA = 1.4826
# Among fewer recordings nobody can say which one is the odd one.
FEWEST = 4


def spread(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """A standard deviation that up to half of the values cannot spoil; NaN is left out."""
    middle = np.nanmedian(values, axis=axis, keepdims=True)
    return _MAD_TO_SIGMA * np.nanmedian(np.abs(values - middle), axis=axis)


def highest_usual(values: np.ndarray, least: float) -> float:
    """What no usual recording exceeds: six deviations above the median, and at least `least`."""
    known = values[np.isfinite(values)]
    if len(known) < FEWEST:
        return np.inf
    return float(np.median(known) + max(_DEVIATIONS * spread(known), least))


def unusual(values: np.ndarray, least: float) -> np.ndarray:
    """Which of the values (N,), one a recording, are unusually high; none of fewer than FEWEST."""
    return values > highest_usual(values, least)
