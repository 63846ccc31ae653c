# SPDX-License-Identifier: Apache-2.0
"""The baselines as methods of one kind: tuned on some recordings, then run on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.experiments.baselines.awe import waypoints
from m2r2_ros.experiments.baselines.baseline_signals import POSITION, BaselineSignals
from m2r2_ros.experiments.baselines.bocpd import WrenchModel, change_points
from m2r2_ros.parallel.progress import Progress

# First frames of all segments but the first.
Segmentation = Callable[[BaselineSignals], list[int]]

# Where the one parameter of each is looked for. Neighbouring samples of a wrench are alike, which
# BOCPD's model does not know: what it finds right is wider than any real spread.
_SPREADS, _ERRORS_M = (0.05, 50.0), (1e-3, 0.5)
_BISECTIONS = 8


def tune_bocpd(recordings: Sequence[BaselineSignals]) -> tuple[Segmentation, dict[str, float]]:
    """BOCPD whose hazard is that of the true segments, and whose spread gives as many of them."""
    segments = _true_segments(recordings)
    wrenches = np.concatenate([recording.wrench for recording in recordings])
    mean, std = wrenches.mean(axis=0, dtype=float), wrenches.std(axis=0, dtype=float)
    std = np.maximum(std, 1e-9)
    mean_length = len(wrenches) / segments

    def segmentation(spread: float) -> Segmentation:
        model = WrenchModel(mean, std, mean_length, spread)
        return lambda signals: _frames(change_points(signals.wrench, model), signals.frames)

    spread = _matching(segmentation, recordings, _SPREADS, "bocpd")
    return segmentation(spread), {"spread": spread, "mean_length": mean_length}


def tune_awe(recordings: Sequence[BaselineSignals]) -> tuple[Segmentation, dict[str, float]]:
    """AWE whose error threshold gives as many segments as there are true ones."""

    def segmentation(error_m: float) -> Segmentation:
        return lambda signals: waypoints(signals.rows[:, POSITION], error_m)[1:-1]

    error_m = _matching(segmentation, recordings, _ERRORS_M, "awe")
    return segmentation(error_m), {"error_m": error_m}


BASELINES = {"bocpd": tune_bocpd, "awe": tune_awe}


def _frames(samples: Sequence[int], frames: np.ndarray) -> list[int]:
    """The frames in which segments begin, each once; one in the first frame begins nothing."""
    return sorted({int(frames[sample]) for sample in samples} - {0})


def _matching(
    segmentation: Callable[[float], Segmentation],
    recordings: Sequence[BaselineSignals],
    interval: tuple[float, float],
    name: str,
) -> float:
    """The parameter in `interval` with which the number of segments is nearest to the true one.

    By bisection of its logarithm: the larger the parameter, the fewer segments, but for chance.
    """
    wanted = _true_segments(recordings)
    low, high = map(math.log, interval)
    found: dict[float, int] = {}
    for _ in Progress(range(_BISECTIONS), f"tuning {name}"):
        middle = (low + high) / 2
        method = segmentation(math.exp(middle))
        found[middle] = sum(len(method(recording)) + 1 for recording in recordings)
        if found[middle] == wanted:
            break
        low, high = (middle, high) if found[middle] > wanted else (low, middle)
    return math.exp(min(found, key=lambda parameter: abs(found[parameter] - wanted)))


def _true_segments(recordings: Sequence[BaselineSignals]) -> int:
    if not recordings:
        raise M2R2Error("there is no recording to tune a baseline on")
    return sum(len(find_runs(recording.labels)) for recording in recordings)
