# SPDX-License-Identifier: Apache-2.0
"""The end effector's motion in a recording: where it rests, and where it may be cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labelling.motion_cuts import rest_times, turn_times
from m2r2_ros.sensing.layout import SensorLayout

# Times [s] of positions (N, 3) at times (N,).
_Times = Callable[[np.ndarray, np.ndarray], list[float]]


@dataclass(frozen=True)
class Motion:
    """`pose`: the signal of the layout whose first three columns are positions [m]."""

    path: Path
    topics: TopicMap
    layout: SensorLayout
    pose: str

    def rests(self) -> list[int]:
        """Stamps at which it rests between two movements. Raises M2R2Error without a position."""
        return self._stamps(rest_times)

    def turns(self) -> list[int]:
        """Stamps at which it turns elsewhere. Raises M2R2Error without a position."""
        return self._stamps(turn_times)

    def _stamps(self, times_of: _Times) -> list[int]:
        alone = SensorLayout((), audio=False, signals=self.layout.signals.to_plain())
        with open_source(self.path, self.topics) as source:
            found = [batch.signals.get(self.pose) for batch in source.batches(alone)]
        parts = [(stamps, values[:, :3]) for stamps, values in filter(None, found)]
        stamps = np.concatenate([np.zeros(0, np.int64), *(part for part, _ in parts)])
        positions = np.concatenate([np.zeros((0, 3)), *(part for _, part in parts)])
        usable = np.isfinite(positions).all(axis=1)
        if not usable.any():
            raise M2R2Error(f"{self.path}: '{self.pose}' has no positions to cut by")
        stamps, positions = stamps[usable], positions[usable]
        times_s = (stamps - stamps[0]) / 1e9
        return [int(stamps[0]) + round(time_s * 1e9) for time_s in times_of(times_s, positions)]


def motion_of(path: Path, topics: TopicMap, layout: SensorLayout) -> Motion | None:
    """By the first pose of a layout, None where there is none."""
    poses = [name for name, signal in layout.signals.items() if signal.preset == "pose"]
    return Motion(path, topics, layout, poses[0]) if poses else None
