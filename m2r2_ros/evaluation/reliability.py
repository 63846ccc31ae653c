# SPDX-License-Identifier: Apache-2.0
"""Whether a confidence of 80 percent is right in 80 percent of the frames (Guo et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reliability:
    """Frames by confidence, in equally wide bins of [0, 1].

    frames                int64 (B,): how many.
    confidence, accuracy  float (B,) in [0, 1]: means over them; NaN in an empty bin.
    expected_error        ECE in [0, 1]: |accuracy - confidence|, weighted by frames.
    """

    frames: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    expected_error: float


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> Reliability:
    """Of N frames: the probability of the class that was chosen, and whether it was right."""
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    frames = np.bincount(place, minlength=bins)
    means = []
    for values in (confidence, right):
        sums = np.bincount(place, weights=np.asarray(values, float), minlength=bins)
        means.append(np.divide(sums, frames, np.full(bins, np.nan), where=frames > 0))
    gaps = np.abs(means[0] - means[1])
    error = float(np.nansum(gaps * frames) / max(1, frames.sum()))
    return Reliability(frames, *means, min(error, 1.0))
