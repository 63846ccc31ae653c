# SPDX-License-Identifier: Apache-2.0
"""What the sensing core accepts and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.signal import Signal


@dataclass(frozen=True)
class SensingLimits:
    """Times in seconds of stream time (header stamps), never of the wall clock.

    Raises M2R2Error when a limit is not a positive number.
    """

    # A stream this far (and one of its intervals) behind the newest stamp of any stream counts as
    # silent: windows no longer wait for it. Clocks of different machines must agree this well.
    max_wait_s: float = 0.1
    # Messages of different topics may overtake each other by this much.
    reorder_s: float = 0.02
    # A stream that steps by more than this is on another clock: a bag loop when most streams do
    # it, a fault of the stream when it is alone.
    jump_s: float = 1.0

    # Oldest frame that still shows the present.
    max_camera_age_s: float = 0.5
    # Longest hold or hole between two samples of a signal that is still a measurement.
    max_signal_age_s: float = 0.25
    # Longest hole in the audio that passes for jitter of the chunks' stamps: less than the usual
    # 20 ms chunk, so that one lost chunk is seen.
    max_audio_gap_s: float = 0.015

    # Stamps of audio chunks may be off by this much before the sample clock follows them ...
    audio_jitter_s: float = 0.001
    # ... with this time constant: 200 ppm of drift leave it 2 ms behind, well within 5 ms.
    audio_drift_s: float = 5.0

    # Memory: samples that wait for a window. More are dropped, the oldest first, and counted.
    buffer_s: float = 10.0
    max_signal_rate_hz: float = 2000.0
    max_camera_rate_hz: float = 60.0
    max_audio_rate_hz: float = 192_000.0
    # Below this the resampler's filter would reach over many windows.
    min_audio_rate_hz: float = 4_000.0

    # Largest magnitudes that a measurement can have; anything beyond is a fault.
    max_force_n: float = 5000.0
    max_torque_nm: float = 1000.0
    max_distance_m: float = 100.0
    max_speed_m_s: float = 50.0
    max_turn_rad_s: float = 100.0
    max_gripper_m: float = 1.0
    max_audio: float = 8.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, (int, float)) or not 0 < value < 1e9:
                raise M2R2Error(f"{field.name} must be a positive number, got {value}")

    def signal_range(self, signal: Signal) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each column that can be a measurement, float64 (D,)."""
        if signal.ranges:
            low, high = np.array(signal.ranges).T
            return low, high
        limits = [each.limit for each, columns in signal.spans() for _ in each.columns]
        high = np.array([getattr(self, each) if isinstance(each, str) else each for each in limits])
        return -high, high


def to_ns(seconds: float) -> int:
    """Seconds as integer nanoseconds."""
    return round(seconds * 1e9)
