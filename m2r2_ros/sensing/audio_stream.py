# SPDX-License-Identifier: Apache-2.0
"""The microphone: chunks put in order, timed by a sample clock, resampled window by window."""

from __future__ import annotations

from bisect import insort
from copy import copy
from dataclasses import dataclass, field

import numpy as np

from m2r2_ros.sensing.audio_clock import AudioClock
from m2r2_ros.sensing.counters import StreamCounters
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits, to_ns
from m2r2_ros.sensing.pending_samples import Batch
from m2r2_ros.sensing.resampling import Resampler
from m2r2_ros.sensing.stream import Stream

_LATEST_NS = 2**63 - 1

NO_SOUND = "samples are NaN, infinite or beyond full scale (max_audio)"
OVERLAP = "messages overlap by their stamps: their sample_rate is wrong, or two send the same sound"


@dataclass(frozen=True, order=True)
class Chunk:
    """Mono samples float32 (n,), n >= 1; the first one stamped `stamp_ns`."""

    stamp_ns: int
    samples: np.ndarray = field(compare=False)
    rate_hz: int = field(compare=False)


def _length_ns(chunk: Chunk) -> int:
    return len(chunk.samples) * 1_000_000_000 // chunk.rate_hz


class AudioRun:
    """Audio without a hole: input samples from index `offset` to the clock's count."""

    def __init__(self, clock: AudioClock, start_ns: int, rate_out: int) -> None:
        self.clock = clock
        self.start_ns = start_ns
        self.resampler = Resampler(clock.rate_hz, rate_out)
        self._samples = np.empty(0, np.float32)
        self._offset = 0
        # First output sample that no window has had yet, None after a hole.
        self._next: int | None = None

    def append(self, samples: np.ndarray) -> None:
        self._samples = np.concatenate((self._samples, samples))

    def covers(self, start_ns: int, end_ns: int) -> bool:
        return self.start_ns <= start_ns and end_ns <= self.clock.end_ns

    def cut(self, start_ns: int, end_ns: int, capacity: int) -> np.ndarray:
        """Output samples of [start, end); each sample belongs to exactly one window."""
        rate_in, rate_out = self.resampler.rate_in, self.resampler.rate_out
        stop = self.clock.first_index(end_ns, rate_out)
        first = self.clock.first_index(start_ns, rate_out) if self._next is None else self._next
        first = min(stop, max(first, stop - capacity))
        self._forget_before(self.resampler.first_input(first))
        last_input = self.clock.first_index(end_ns, rate_in)
        self._next = stop
        return self.resampler.resample(
            self._samples[: last_input - self._offset], self._offset, first, stop
        )

    def skip(self, end_ns: int) -> None:
        """Skip a window: its audio is dropped."""
        self._next = None
        first = self.clock.first_index(end_ns, self.resampler.rate_out)
        self._forget_before(self.resampler.first_input(first))

    def _forget_before(self, index: int) -> None:
        if self._offset < index <= self._offset + len(self._samples):
            self._samples = self._samples[index - self._offset :]
            self._offset = index


class AudioStream(Stream):
    """Chunks join the current run in order of their stamps, just as far as a window needs them."""

    def __init__(
        self, layout: SensorLayout, limits: SensingLimits, counters: StreamCounters
    ) -> None:
        self._capacity = round(limits.buffer_s * limits.max_audio_rate_hz)
        super().__init__(AUDIO, self._capacity, limits.max_signal_age_s, counters)
        self._rate_out = layout.audio_rate_hz
        self._window_capacity = layout.audio_capacity
        self._limits = limits
        self._gap_ns = to_ns(limits.max_audio_gap_s)
        # A later stamp would be one of another time.
        self._longest_s = min(limits.max_audio_chunk_s, 0.9 * limits.jump_s)
        self.clear()

    @staticmethod
    def most_bytes(limits: SensingLimits) -> int:
        """What its samples, float32, take at most: as many again may wait to be ingested."""
        return 2 * 4 * round(limits.buffer_s * limits.max_audio_rate_hz)

    def clear(self) -> None:
        self._chunks: list[Chunk] = []
        self._waiting = 0
        self._run: AudioRun | None = None
        # The clock as it will be once all chunks are joined.
        self._ahead: AudioClock | None = None
        self._newest_stamp: int | None = None
        self._chunk_ns = 0
        # End of the last window.
        self._closed_ns: int | None = None

    def add(self, stamp_ns: int, samples: np.ndarray, rate_hz: int) -> None:
        """Take a chunk, float (n, channels) or (n,).

        Anything else is refused and counted. Faulty samples mask the windows they touch.
        """
        samples = np.asarray(samples)
        size = len(samples) if samples.ndim else 1
        self.counters.received += size
        if not self._well_formed(samples, rate_hz):
            self.counters.reject("malformed", size)
            self.counters.reason = f"chunks of {size} samples at {rate_hz} Hz are beyond the limits"
        elif size > self._longest_s * rate_hz:
            self.counters.reject("long", size)
            self.counters.reason = (
                f"chunks of {size / rate_hz:.3g} s are too long: windows wait for at most "
                f"max_audio_chunk_s, {self._longest_s:g} s"
            )
        elif size:
            chunk = Chunk(int(stamp_ns), self._mono(samples), int(rate_hz))
            self.counters.reason = "" if np.isfinite(chunk.samples).all() else NO_SOUND
            # It is there when it is complete: its end tells what time it is for the microphone.
            end_ns = min(chunk.stamp_ns + size * 1_000_000_000 // chunk.rate_hz, _LATEST_NS)
            self.inbox.add(np.array([end_ns], np.int64), chunk, size, chunk.stamp_ns)

    def _well_formed(self, samples: np.ndarray, rate_hz: int) -> bool:
        limits = self._limits
        return (
            samples.ndim in (1, 2)
            and samples.dtype.kind == "f"
            and 0 not in samples.shape[1:]
            and limits.min_audio_rate_hz <= rate_hz <= limits.max_audio_rate_hz
            and len(samples) <= limits.buffer_s * rate_hz
        )

    def _mono(self, samples: np.ndarray) -> np.ndarray:
        """Mean of the channels; NaN where a sample is no measurement, which is counted."""
        samples = samples.reshape(len(samples), -1)
        if samples.shape[1] == 1:
            mono = samples[:, 0].astype(np.float32)
            loudest = np.abs(samples[:, 0])
        else:
            mono = samples.mean(axis=1, dtype=np.float32)
            loudest = np.abs(samples).max(axis=1)
        faulty = ~(loudest <= self._limits.max_audio)
        if faulty.any():
            finite = np.isfinite(loudest)
            self.counters.reject("nan", int((~finite).sum()))
            self.counters.reject("range", int((faulty & finite).sum()))
            mono[faulty] = np.nan
        return mono

    @property
    def newest_ns(self) -> int | None:
        return None if self._ahead is None else self._ahead.end_ns

    @property
    def oldest_ns(self) -> int | None:
        if self._run is not None:
            return self._run.start_ns
        return self._chunks[0].stamp_ns if self._chunks else None

    def interval_ns(self) -> int:
        return self._chunk_ns

    def waiting_intervals(self, count: int) -> np.ndarray:
        """A chunk is stamped with its end here, and chunks may be of any length."""
        return np.array([_length_ns(chunk) for chunk in self.inbox.payloads()], np.int64)

    @property
    def longest_pause_ns(self) -> int:
        """The next chunk may be longer than this one, and comes when it is complete."""
        return to_ns(self._longest_s)

    @property
    def first_wait_ns(self) -> int:
        return self.longest_pause_ns

    def known_until(self) -> int:
        """Audio has no pauses between samples: the next one follows at once."""
        assert self.newest_ns is not None
        return self.newest_ns

    def ingest(self, batches: list[Batch]) -> None:
        for _, chunk in batches:
            self._insert(chunk)
        while self._waiting > self._capacity:
            self.counters.dropped += len(self._pop().samples)
        self._look_ahead()

    def _insert(self, chunk: Chunk) -> None:
        size = len(chunk.samples)
        if self._newest_stamp is not None and chunk.stamp_ns < self._newest_stamp:
            self.counters.out_of_order += size
        else:
            self._newest_stamp = chunk.stamp_ns
        self._chunk_ns = _length_ns(chunk)
        self._waiting += size
        insort(self._chunks, chunk)

    def _pop(self) -> Chunk:
        chunk = self._chunks.pop(0)
        self._waiting -= len(chunk.samples)
        return chunk

    def _look_ahead(self) -> None:
        """Run a copy of the clock over the waiting chunks, as `_join` will."""
        clock = copy(self._run.clock) if self._run else None
        for chunk in self._chunks:
            clock, _ = self._follow(clock, chunk)
        self._ahead = clock

    def _follow(self, clock: AudioClock | None, chunk: Chunk) -> tuple[AudioClock, int]:
        """Advance the clock, or start one after a hole, by a chunk.

        Returns the clock and how many of the chunk's first samples repeat what was there.
        """
        if clock is None or self._breaks(clock, chunk):
            clock = AudioClock(chunk.rate_hz, chunk.stamp_ns)
        skip = self._repeated(clock, chunk)
        if skip < len(chunk.samples):
            skipped_ns = skip * 1_000_000_000 // chunk.rate_hz
            clock.advance(chunk.stamp_ns + skipped_ns, len(chunk.samples) - skip, self._limits)
        return clock, skip

    def _repeated(self, clock: AudioClock, chunk: Chunk) -> int:
        """How many of a chunk's first samples lie before the clock's end."""
        size, overlap_ns = len(chunk.samples), clock.end_ns - chunk.stamp_ns
        if chunk.stamp_ns == clock.stamp_ns:
            return min(size, clock.since_stamp)
        in_order = clock.stamp_ns is None or chunk.stamp_ns > clock.stamp_ns
        if overlap_ns <= (self._gap_ns if in_order else 0):
            return 0
        return min(size, round(overlap_ns * chunk.rate_hz / 1e9))

    def _breaks(self, clock: AudioClock, chunk: Chunk) -> bool:
        """Whether a chunk cannot continue the run: a hole lies before it, or the rate changed."""
        late_ns = chunk.stamp_ns - clock.end_ns
        return chunk.rate_hz != clock.rate_hz or late_ns > self._gap_ns

    def window(self, start_ns: int, end_ns: int) -> np.ndarray | None:
        """Mono float32 (n,) in [-1, 1] of [start, end), None when any of it is missing."""
        while self._chunks and self._begins_before(end_ns):
            self._join(self._pop())
        self._closed_ns = end_ns
        samples = self._cut(start_ns, end_ns)
        if samples is None:
            self.counters.absence = f"a part is missing, more than {self._gap_ns / 1e6:g} ms of it"
            return None
        self.counters.absence = "" if np.isfinite(samples).all() else NO_SOUND
        return None if self.counters.absence else np.clip(samples, -1.0, 1.0)

    def _cut(self, start_ns: int, end_ns: int) -> np.ndarray | None:
        """Samples of a window, None when any of it is missing."""
        if self._run is None:
            return None
        if not self._run.covers(start_ns, end_ns):
            self._run.skip(end_ns)
            return None
        return self._run.cut(start_ns, end_ns, self._window_capacity)

    def _begins_before(self, end_ns: int) -> bool:
        """Whether the first waiting chunk has samples before `end_ns`, by the sample clock."""
        chunk = self._chunks[0]
        if self._run is None or self._breaks(self._run.clock, chunk):
            return chunk.stamp_ns < end_ns
        return self._run.clock.end_ns < end_ns

    def _join(self, chunk: Chunk) -> None:
        clock, skip = self._follow(self._run.clock if self._run else None, chunk)
        if self._run is None or clock is not self._run.clock:
            self.counters.gaps += self._run is not None
            self._run = AudioRun(clock, chunk.stamp_ns, self._rate_out)
        self.counters.duplicate += skip
        self.counters.notice = OVERLAP if skip else ""
        self._count_late(len(chunk.samples) - skip)
        self._run.append(chunk.samples[skip:])

    def _count_late(self, count: int) -> None:
        """Count which of the `count` samples that have just joined lie in closed windows."""
        if self._closed_ns is not None:
            clock = self._run.clock
            in_time = clock.count - clock.first_index(self._closed_ns, clock.rate_hz)
            self.counters.late += max(0, count - max(0, in_time))
