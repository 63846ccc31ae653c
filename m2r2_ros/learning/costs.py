# SPDX-License-Identifier: Apache-2.0
"""How long each piece of the work takes, so that one bar can say when all is done.

Seconds of one core; only how they compare matters, the bar measures how fast this machine is.
"""

from __future__ import annotations

from dataclasses import dataclass

from m2r2_ros.learning.outcome import FROZEN
from m2r2_ros.training.heads.causal import CausalSettings

# A window through the untrained part of an encoder, and more for each camera; so it is for a window
# through an exported encoder.
_WINDOW_S, _PICTURE_S = 0.003, 0.009
# A step of eight windows of a hundred samples, and more for each sensor.
_STEP_S, _SENSOR_STEP_S = 0.05, 0.03
# A frame of a head's epoch, in all networks that it averages; a minute its tracker is tuned on.
_HEAD_FRAME_S, _TUNED_MINUTE_S = 1.5e-4, 10.0
# Beginning processes; writing and comparing a graph.
_BEGIN_S, _EXPORT_S = 10.0, 15.0


@dataclass(frozen=True)
class Costs:
    """Of one data set: sensors, cameras among them, windows a minute."""

    sensors: int
    cameras: int
    windows_per_minute: float

    def reading(self, minutes: float) -> float:
        """Recordings of so many minutes, prepared or through an encoder [s]."""
        window_s = _WINDOW_S + self.cameras * _PICTURE_S
        return minutes * self.windows_per_minute * window_s + _BEGIN_S

    def encoder(self, way: str, epochs: int, actions: int) -> float:
        """Pretraining on so many labelled actions, and the export [s]."""
        if way == FROZEN:
            return 1.0
        steps = epochs * max(1, actions / 8)
        return steps * (_STEP_S + self.sensors * _SENSOR_STEP_S) + _EXPORT_S

    def head(self, settings: CausalSettings, minutes: float, recordings: int) -> float:
        """Training the head on recordings of so many minutes, and tuning its tracker [s]."""
        rounds = settings.optimiser.epochs * settings.rounds(recordings)
        frames = rounds * minutes * self.windows_per_minute
        return frames * _HEAD_FRAME_S + 0.2 * minutes * _TUNED_MINUTE_S + _EXPORT_S
