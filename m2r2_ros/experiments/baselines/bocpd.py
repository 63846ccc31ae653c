# SPDX-License-Identifier: Apache-2.0
"""BOCPD: Bayesian online change-point detection (Adams and MacKay 2007) on the 6-DoF wrench.

As M2R2's baseline, after Sugawara et al. (RA-L 2023): within a segment the wrench is Gaussian with
unknown mean and covariance (normal-inverse-Wishart prior), and a segment ends with constant hazard.
A wrench has tens of thousands of samples. Run lengths that are next to impossible are therefore
dropped, and a sample costs the same wherever it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Observations that the prior's mean counts as: next to none, a wrench may settle anywhere.
_MEAN_WEIGHT = 0.01
# Run lengths that are this much less probable than the most probable one are dropped.
_NEGLIGIBLE = math.log(1e-8)


@dataclass(frozen=True)
class WrenchModel:
    """The prior for a recording's wrench.

    mean, std    of each component over the training recordings, float (6,).
    mean_length  1 / hazard: samples that a segment lasts on average.
    spread       standard deviation expected within a segment, as a part of `std`. The smaller, the
                 more segments.
    """

    mean: np.ndarray
    std: np.ndarray
    mean_length: float
    spread: float


def change_points(wrench: np.ndarray, model: WrenchModel) -> list[int]:
    """First samples of the segments, 0 left out, of a wrench (T, 6): the most probable run lengths.

    The filter is causal, but its run lengths are followed back from the last sample.
    """
    normalised = (np.asarray(wrench, np.float64) - model.mean) / model.std
    lengths = run_lengths(normalised, model.mean_length, model.spread)
    found, sample = [], len(lengths) - 1
    while sample >= 0 and (start := sample - lengths[sample]) > 0:
        found.append(start)
        sample = start - 1
    return found[::-1]


def run_lengths(values: np.ndarray, mean_length: float, spread: float) -> list[int]:
    """The most probable number of samples before each one in its segment, for values (T, D)."""
    if not len(values):
        return []
    runs = _Runs(values.shape[1], spread, len(values))
    hazard = 1 / mean_length
    log_ends, log_goes_on = math.log(hazard), math.log1p(-hazard)
    # Of the probabilities of the runs that are kept.
    weights, found = np.zeros(1), []
    for number, value in enumerate(values):
        if number:
            begun = np.logaddexp.reduce(weights) + log_ends
            weights = np.append(weights + log_goes_on, begun)
            runs.begin()
        weights += runs.observe(value)
        weights -= weights.max()
        kept = weights > _NEGLIGIBLE
        if not kept.all():
            weights = weights[kept]
            runs.keep(kept)
        found.append(int(runs.counts[weights.argmax()]) - 1)
    return found


class _Runs:
    """The normal-inverse-Wishart posterior of each run, oldest first.

    counts     samples seen, int (R,).
    means      of the posterior, (R, D); precisions: the inverses of its scale matrices (R, D, D),
               and the logarithms of their determinants, `log_scales` (R,).
    """

    def __init__(self, dimensions: int, spread: float, samples: int) -> None:
        self._dimensions = dimensions
        self.counts = np.zeros(1, np.int64)
        self.means = np.zeros((1, dimensions))
        # So that the prior's mean covariance, scale / (freedom - dimensions - 1), is spread^2.
        self._precision = np.eye(dimensions)[None] / spread**2
        self._log_scale = np.array([2 * dimensions * math.log(spread)])
        self.precisions, self.log_scales = self._precision, self._log_scale
        # Degrees of freedom of the predictive after so many samples, and its normalisation.
        freedom = np.arange(samples + 1) + 3.0
        half = dimensions / 2
        gamma = np.array([math.lgamma(f / 2 + half) - math.lgamma(f / 2) for f in freedom])
        weight = _MEAN_WEIGHT + np.arange(samples + 1)
        # The scale matrix of the predictive is the posterior's, times this.
        self._scale = (weight + 1) / (weight * freedom)
        self._normalisation = gamma - half * np.log(freedom * math.pi * self._scale)
        self._freedom, self._weight = freedom, weight

    def begin(self) -> None:
        """Add a run that has seen nothing."""
        self.counts = np.append(self.counts, 0)
        self.means = np.concatenate([self.means, np.zeros((1, self._dimensions))])
        self.precisions = np.concatenate([self.precisions, self._precision])
        self.log_scales = np.append(self.log_scales, self._log_scale)

    def observe(self, value: np.ndarray) -> np.ndarray:
        """The logarithm of what each run expects of a sample, which it has seen then: (R,).

        The predictive is a multivariate t; the scale matrix grows by one outer product, so that its
        inverse follows by Sherman and Morrison's formula and its determinant by the lemma.
        """
        n, away = self.counts, value - self.means
        turned = (self.precisions @ away[:, :, None])[:, :, 0]
        distance = (away * turned).sum(1)
        freedom, weight = self._freedom[n], self._weight[n]
        spread_out = np.log1p(distance / (self._scale[n] * freedom))
        fall = self.log_scales + (freedom + self._dimensions) * spread_out
        expected = self._normalisation[n] - fall / 2
        share = weight / (weight + 1)
        grown = 1 + share * distance
        self.precisions = self.precisions - (share / grown)[:, None, None] * (
            turned[:, :, None] * turned[:, None, :]
        )
        self.log_scales = self.log_scales + np.log(grown)
        self.means = self.means + away / (weight + 1)[:, None]
        self.counts = n + 1
        return expected

    def keep(self, kept: np.ndarray) -> None:
        """Drop the others."""
        self.counts, self.means = self.counts[kept], self.means[kept]
        self.precisions, self.log_scales = self.precisions[kept], self.log_scales[kept]
