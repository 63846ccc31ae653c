# SPDX-License-Identifier: Apache-2.0
"""Limits of the sensing core: values, ages, waits, memory."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.sensing.signal import Signal


def _limit(default: float, low: float, high: float) -> Any:
    """A limit with the range in which it may lie, ends included."""
    return field(default=default, metadata={"range": (low, high)})


def _seconds(default: float, high: float = 3600.0) -> Any:
    return _limit(default, 1e-6, high)


def _magnitude(default: float) -> Any:
    return _limit(default, 1e-6, 1e9)


@dataclass(frozen=True)
class SensingLimits:
    """Times in seconds of stream time (header stamps), never of the wall clock.

    Raises M2R2Error when a limit is no number of its range, or two of them contradict each other.
    """

    # A stream this far (and one of its intervals) behind the newest stamp of any stream counts as
    # silent: windows no longer wait for it. Clocks of different machines must agree this well.
    max_wait_s: float = _seconds(0.1)
    # Messages of different topics may overtake each other by this much.
    reorder_s: float = _seconds(0.02)
    # A stream that steps by more than this is on another clock: a bag loop when most streams do
    # it, a fault of the stream when it is alone. One that creeps further off is left out.
    jump_s: float = _seconds(1.0)

    # Oldest frame that still shows the present.
    max_camera_age_s: float = _seconds(0.5)
    # Longest hold or hole between two samples of a signal that is still a measurement.
    max_signal_age_s: float = _seconds(0.25)
    # Longest hole in the audio that passes for jitter of the chunks' stamps: less than the usual
    # 20 ms chunk, so that one lost chunk is seen.
    max_audio_gap_s: float = _seconds(0.015)

    # Longest chunk of audio: windows wait for its end, and for as long when the microphone falls
    # silent. Longer ones are refused. Shorter than `jump_s`, by which its stamp lies behind then.
    max_audio_chunk_s: float = _limit(0.5, 0.001, 0.9)

    # Stamps of audio chunks may be off by this much before the sample clock follows them ...
    audio_jitter_s: float = _seconds(0.001)
    # ... with this time constant: 200 ppm of drift leave it 2 ms behind, well within 5 ms.
    audio_drift_s: float = _seconds(5.0)

    # Memory: samples that wait for a window. More are dropped, the oldest first, and counted.
    buffer_s: float = _limit(10.0, 0.1, 600.0)
    # All of them, those in the middleware's queues included, in megabytes of 10^6 bytes.
    buffer_mb: float = _limit(1000.0, 16.0, 65_536.0)
    max_signal_rate_hz: float = _limit(2000.0, 1.0, 100_000.0)
    max_camera_rate_hz: float = _limit(60.0, 1.0, 1000.0)
    max_audio_rate_hz: float = _limit(192_000.0, 1000.0, 1_000_000.0)
    # Below this the resampler's filter would reach over many windows.
    min_audio_rate_hz: float = _limit(4_000.0, 1000.0, 1_000_000.0)

    # Largest magnitudes that a measurement can have; anything beyond is a fault.
    max_force_n: float = _magnitude(5000.0)
    max_torque_nm: float = _magnitude(1000.0)
    max_distance_m: float = _magnitude(100.0)
    max_speed_m_s: float = _magnitude(50.0)
    max_turn_rad_s: float = _magnitude(100.0)
    max_gripper_m: float = _magnitude(1.0)
    max_audio: float = _magnitude(8.0)

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, (low, high) = getattr(self, entry.name), entry.metadata["range"]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                raise M2R2Error(f"{entry.name} must be in [{low:g}, {high:g}], got {brief(value)}")
        if self.min_audio_rate_hz > self.max_audio_rate_hz:
            raise M2R2Error(
                f"min_audio_rate_hz {self.min_audio_rate_hz:g} is above max_audio_rate_hz "
                f"{self.max_audio_rate_hz:g}"
            )

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
