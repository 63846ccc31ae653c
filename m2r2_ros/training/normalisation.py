# SPDX-License-Identifier: Apache-2.0
"""Normalisation statistics in one streaming pass over prepared recordings (M2R2 III-B)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.statistics import Statistics
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.training.cache import PreparedRecording

# A component that never changes in training carries nothing; this keeps the division finite.
SMALLEST_STD = 1e-6


def measure_statistics(recordings: Iterable[PreparedRecording], layout: SensorLayout) -> Statistics:
    """Over every measured sample of the recordings, which are visited once.

    Raises M2R2Error when a sensor of the layout was never measured.
    """
    moments = {name: _Moments(layout.signals[name].width) for name in layout.signals}
    low, high = np.inf, -np.inf
    for recording in recordings:
        measured = dict(zip(layout.modalities, recording.arrays["mask"].T, strict=True))
        for name, moment in moments.items():
            valid = recording.arrays[f"{name}_valid"] & measured[name][:, None]
            moment.add(recording.arrays[name][valid])
        if layout.audio:
            valid = recording.arrays["audio_valid"] & measured[AUDIO][:, None]
            decibel = recording.arrays[AUDIO][valid]
            low = min(low, float(decibel.min(initial=np.inf)))
            high = max(high, float(decibel.max(initial=-np.inf)))
    for name, moment in moments.items():
        if not moment.count:
            raise M2R2Error(
                f"no training recording holds '{name}', see what was said of each: mend the robot "
                "file or the layout, or leave it out of the layout"
            )
    if layout.audio and not low < high:
        raise M2R2Error("no training recording holds audio: leave it out of the layout")
    ranges = (low, high) if layout.audio else ()
    return Statistics(
        {name: moment.mean.tolist() for name, moment in moments.items()},
        {name: moment.std().tolist() for name, moment in moments.items()},
        *ranges,
    )


class _Moments:
    """Mean and variance of a stream of rows, merged block by block (Chan et al. 1979)."""

    def __init__(self, dimension: int) -> None:
        self.count = 0
        self.mean = np.zeros(dimension)
        self._squares = np.zeros(dimension)

    def add(self, rows: np.ndarray) -> None:
        if not len(rows):
            return
        rows = rows.astype(np.float64)
        total = self.count + len(rows)
        difference = rows.mean(0) - self.mean
        self._squares += rows.var(0) * len(rows)
        self._squares += difference**2 * self.count * len(rows) / total
        self.mean = self.mean + difference * len(rows) / total
        self.count = total

    def std(self) -> np.ndarray:
        return np.maximum(np.sqrt(self._squares / self.count), SMALLEST_STD)
