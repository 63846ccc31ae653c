# SPDX-License-Identifier: Apache-2.0
"""Streams as they are read from a recording, kept as small as a picture of them needs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from m2r2_ros.datasets.clocks import MAX_TIME_S
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inspection.film_strip import FilmStrip
from m2r2_ros.inspection.spectrogram import Spectrogram
from m2r2_ros.inspection.stream_summary import StreamSummary, summarise_chunks, summarise_samples
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.sensing.signal_stream import is_sane

# The largest value of 16 bits is 0.99997; compression takes a little of it.
_FULL_SCALE = 0.999


class GatheredCamera:
    """All times and some frames of a camera. `strays`: frames with an absurd time, left out."""

    def __init__(self) -> None:
        self.film = FilmStrip()
        self.strays = 0
        self._times: list[float] = []
        self._undecodable = 0

    def add(self, time_s: float, picture: Callable[[], np.ndarray]) -> None:
        """Take a frame at `time_s`; its picture is decoded only if it is kept."""
        if abs(time_s) > MAX_TIME_S:
            self.strays += 1
            return
        self._times.append(time_s)
        try:
            self.film.add(time_s, picture)
        except M2R2Error:
            self._undecodable += 1

    def summary(self) -> StreamSummary | None:
        """None when there was no frame."""
        return summarise_samples(np.array(self._times), self._undecodable) if self._times else None


class GatheredAudio:
    """A microphone. `strays`: samples with an absurd time or another rate, left out.

    `spectrogram` is None until there is a chunk.
    """

    def __init__(self, max_gap_s: float) -> None:
        self.spectrogram: Spectrogram | None = None
        self.strays = 0
        self._max_gap_s = max_gap_s
        self._starts: list[float] = []
        self._lengths: list[int] = []
        self._end_s = -np.inf
        self._unusable = self._clipped = 0

    def add(self, start_s: float, samples: np.ndarray, rate_hz: int) -> None:
        """Take a chunk (N, channels) whose first sample was taken at `start_s`."""
        if abs(start_s) > MAX_TIME_S or (self.spectrogram and rate_hz != self.spectrogram.rate_hz):
            self.strays += len(samples)
            return
        self.spectrogram = self.spectrogram or Spectrogram(rate_hz)
        usable = np.isfinite(samples).all(axis=1)
        mono = np.where(usable, np.where(usable[:, None], samples, 0).mean(axis=1), np.nan)
        self._unusable += int((~usable).sum())
        self._clipped += int((np.abs(samples) >= _FULL_SCALE).any(axis=1).sum())
        self.spectrogram.add(start_s, mono, abs(start_s - self._end_s) <= self._max_gap_s)
        self._starts.append(start_s)
        self._lengths.append(len(samples))
        self._end_s = start_s + len(samples) / rate_hz

    def summary(self) -> StreamSummary | None:
        """None when there was no sample."""
        if self.spectrogram is None:
            return None
        starts, lengths = np.array(self._starts), np.array(self._lengths)
        rate_hz = self.spectrogram.rate_hz
        lost = self._unusable, self._clipped
        return summarise_chunks(starts, lengths, rate_hz, self._max_gap_s, *lost)


class GatheredSignal:
    """All of a signal. `strays`: samples with an absurd time, left out."""

    def __init__(self, signal: Signal, limits: SensingLimits) -> None:
        self.strays = 0
        self._signal, self._range = signal, limits.signal_range(signal)
        self._times: list[np.ndarray] = []
        self._values: list[np.ndarray] = []

    def add(self, times_s: np.ndarray, values: np.ndarray) -> None:
        """Take samples: times (N,) and values (N, D)."""
        near = np.abs(times_s) <= MAX_TIME_S
        self.strays += int((~near).sum())
        self._times.append(times_s[near])
        self._values.append(np.asarray(values[near], np.float64))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,), increasing, and values (N, D); rows that are not usable are NaN."""
        times, first = np.unique(np.concatenate(self._times), return_index=True)
        return times, self.usable(np.concatenate(self._values)[first])

    def usable(self, values: np.ndarray) -> np.ndarray:
        """The rows (N, D) with NaN in those that are no measurement."""
        return np.where(self._unusable(values)[:, None], np.nan, values)

    def summary(self) -> StreamSummary | None:
        """None when there was no sample."""
        times = np.concatenate([*self._times, np.zeros(0)])
        if not len(times):
            return None
        return summarise_samples(times, int(self._unusable(np.concatenate(self._values)).sum()))

    def _unusable(self, values: np.ndarray) -> np.ndarray:
        return ~is_sane(self._signal, *self._range, values)
