# SPDX-License-Identifier: Apache-2.0
"""The time of audio samples: counted, and held to the stamps of the chunks."""

from __future__ import annotations

from dataclasses import dataclass

from m2r2_ros.sensing.limits import SensingLimits, to_ns


@dataclass
class AudioClock:
    """Sample k of an unbroken run of audio lies at anchor + k / rate.

    Counting is exact over seconds, stamps over hours: the anchor follows the stamps slowly, and
    not at all while they agree with the count within the jitter, so exact stamps give the same
    clock however the samples are cut into chunks.
    """

    rate_hz: int
    anchor_ns: int
    count: int = 0
    # Newest stamp of a chunk, and the number of samples since.
    stamp_ns: int | None = None
    since_stamp: int = 0

    def time_ns(self, index: int, rate_hz: int) -> int:
        """Time of sample `index` at `rate_hz` (of the input or of the resampled audio)."""
        return self.anchor_ns + index * 1_000_000_000 // rate_hz

    def first_index(self, time_ns: int, rate_hz: int) -> int:
        """First sample index at `rate_hz` whose time is not before `time_ns`."""
        return -(-(time_ns - self.anchor_ns) * rate_hz // 1_000_000_000)

    @property
    def end_ns(self) -> int:
        """Time at which the next chunk should begin."""
        return self.time_ns(self.count, self.rate_hz)

    def advance(self, stamp_ns: int, count: int, limits: SensingLimits) -> None:
        """Append a chunk of `count` samples stamped `stamp_ns`."""
        error = stamp_ns - self.end_ns
        jitter = to_ns(limits.audio_jitter_s)
        excess = error - max(-jitter, min(jitter, error))
        gain = min(1.0, count / (self.rate_hz * limits.audio_drift_s))
        self.anchor_ns += round(excess * gain)
        self.count += count
        if self.stamp_ns is None or stamp_ns > self.stamp_ns:
            self.stamp_ns, self.since_stamp = stamp_ns, 0
        self.since_stamp += count
