# SPDX-License-Identifier: Apache-2.0
"""BOCPD: Bayesian online change-point detection (Adams and MacKay 2007) on the 6-DoF wrench.

As M2R2's baseline, after Sugawara et al. (RA-L 2023). The filter is the library `changepoint`'s:
within a segment the wrench is Gaussian with unknown mean and covariance (normal-inverse-Wishart
prior), and a segment ends with constant hazard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Observations that the prior's mean counts as: next to none, a wrench may settle anywhere.
_MEAN_WEIGHT = 0.01


@dataclass(frozen=True)
class WrenchModel:
    """The prior for a recording's wrench.

    mean, std    of each component over the training recordings, float (6,).
    mean_length  1 / hazard: frames that a segment lasts on average.
    spread       standard deviation expected within a segment, as a part of `std`. The smaller, the
                 more segments.
    """

    mean: np.ndarray
    std: np.ndarray
    mean_length: float
    spread: float


def change_points(wrench: np.ndarray, model: WrenchModel) -> list[int]:
    """First frames of the segments, 0 left out, of a wrench (T, 6): the most probable run lengths.

    The filter is causal, but its run lengths are followed back from the last frame.
    """
    from changepoint import Bocpd, Prior, map_changepoints

    # C order: the library takes no strided rows.
    normalised = np.ascontiguousarray((wrench - model.mean) / model.std, np.float64)
    dimensions = normalised.shape[1]
    # So that the prior's mean covariance, scale / (freedom - dimensions - 1), is spread^2.
    freedom = dimensions + 2
    scale = model.spread**2 * np.eye(dimensions)
    prior = Prior.normal_inv_wishart(np.zeros(dimensions), _MEAN_WEIGHT, freedom, scale)
    detector = Bocpd(prior, model.mean_length)
    history = [detector.step(row) for row in normalised]
    return [frame for frame in map_changepoints(history) if 0 < frame < len(wrench)]
