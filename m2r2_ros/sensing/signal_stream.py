# SPDX-License-Identifier: Apache-2.0
"""A proprioceptive signal: rows at up to some kilohertz, interpolated to the common rate."""

from __future__ import annotations

import numpy as np

from m2r2_ros.sensing.buffer import StampedBuffer
from m2r2_ros.sensing.counters import StreamCounters
from m2r2_ros.sensing.interpolation import (
    align_quaternions,
    canonical_quaternions,
    grid_ns,
    interpolate,
)
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.pending_samples import Batch
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.sensing.stream import Stream

NO_MEASUREMENT = "values are NaN, infinite or beyond the limits"
# A quaternion shorter than this is no rotation (all zeros: never filled in).
MIN_QUATERNION_NORM = 0.5
# Columns, stamp included, from which on a signal counts as wide.
WIDE = 32


def _capacity(signal: Signal, limits: SensingLimits) -> int:
    """Rows that are kept: fewer of a wide signal, so that it is no more numbers."""
    rows = limits.buffer_s * limits.max_signal_rate_hz
    return max(2, round(rows * min(1.0, WIDE / (1 + signal.width))))


def is_sane(signal: Signal, low: np.ndarray, high: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Which rows (n, D) can be a measurement: all columns in range, quaternions with a length."""
    with np.errstate(invalid="ignore", over="ignore"):
        sane: np.ndarray = ((values >= low) & (values <= high)).all(axis=1)
        for columns in signal.quaternions:
            squares = np.square(values[:, slice(*columns)]).sum(axis=1)
            sane &= squares >= MIN_QUATERNION_NORM**2
    return sane


class SignalStream(Stream):
    """Rows that fail a check stay in the buffer as NaN: they mask every window they touch."""

    def __init__(
        self, signal: Signal, rate_hz: int, limits: SensingLimits, counters: StreamCounters
    ) -> None:
        capacity = _capacity(signal, limits)
        super().__init__(signal.name, capacity, limits.max_signal_age_s, counters)
        self.columns = signal.width
        self._rate_hz = rate_hz
        self._signal, self._range = signal, limits.signal_range(signal)
        self._quaternions = [slice(*columns) for columns in signal.quaternions]
        self._buffer = StampedBuffer(capacity, self.columns, counters)
        # Rows that newer ones have overtaken: the newest stamp before them, and the rows.
        self._overtaken: list[tuple[int, Batch]] = []
        # End of the last window.
        self._closed_ns: int | None = None

    @staticmethod
    def most_bytes(signal: Signal, limits: SensingLimits) -> int:
        """What its rows take at most: as many again may wait, and the buffer is twice as long."""
        return 3 * 8 * (1 + signal.width) * _capacity(signal, limits)

    def add(self, stamps: np.ndarray, values: np.ndarray) -> None:
        """Take stamps int64 (n,) and values (n, columns); other shapes are refused and counted."""
        stamps, values = np.array(stamps), np.array(values)
        size = len(stamps) if stamps.ndim else 1
        self.counters.received += size
        if not self._well_formed(stamps, values):
            self.counters.reject("malformed", size)
        elif size:
            stamps, values = stamps.astype(np.int64), values.astype(np.float64)
            self.inbox.add(stamps, self._checked(values), size)

    def ingest_derived(self, stamps: np.ndarray, values: np.ndarray) -> None:
        """Take rows that belong to the present: int64 (n,) and float64 (n, columns)."""
        self.counters.received += len(stamps)
        if len(stamps):
            self.ingest([(stamps, self._checked(values))])

    def _checked(self, values: np.ndarray) -> np.ndarray:
        values = self._void_faults(values)
        self.counters.reason = "" if np.isfinite(values[-1]).all() else NO_MEASUREMENT
        return values

    def _well_formed(self, stamps: np.ndarray, values: np.ndarray) -> bool:
        return (
            stamps.ndim == 1
            and values.shape == (len(stamps), self.columns)
            and stamps.dtype.kind in "iu"
            and values.dtype.kind in "fiu"
        )

    def _void_faults(self, values: np.ndarray) -> np.ndarray:
        """Overwrite rows that are no measurement with NaN, and count them."""
        sane = is_sane(self._signal, *self._range, values)
        if not sane.all():
            finite = np.isfinite(values).all(axis=1)
            self.counters.reject("nan", int((~finite).sum()))
            self.counters.reject("range", int((finite & ~sane).sum()))
            values[~sane] = np.nan
        return values

    @property
    def newest_ns(self) -> int | None:
        return self._buffer.newest_ns

    @property
    def oldest_ns(self) -> int | None:
        stamps, _ = self._buffer.ordered()
        return int(stamps[0]) if len(stamps) else None

    def interval_ns(self) -> int:
        return self._buffer.interval_ns()

    def ingest(self, batches: list[Batch]) -> None:
        batches = self._hold_overtaken(batches)
        if not batches:
            return
        stamps = np.concatenate([stamps for stamps, _ in batches])
        values = np.concatenate([values for _, values in batches])
        self._count_gaps(stamps)
        self._buffer.append(stamps, values)

    def _hold_overtaken(self, batches: list[Batch]) -> list[Batch]:
        """Keep back the rows that are older than an earlier message.

        They join the first window that ends after that message: one that ends before it may have
        been closed without them, or not, as they were delivered.
        """
        newest_ns = self.newest_ns
        in_order = []
        for stamps, values in batches:
            if self._closed_ns is not None:
                self.counters.late += int((stamps < self._closed_ns).sum())
            is_old = np.zeros(len(stamps), bool) if newest_ns is None else stamps < newest_ns
            if is_old.any():
                self._overtaken.append((newest_ns, (stamps[is_old], values[is_old])))
                stamps, values = stamps[~is_old], values[~is_old]
            if len(stamps):
                newest_ns = int(stamps.max())
                in_order.append((stamps, values))
        return in_order

    def _take_overtaken(self, end_ns: int) -> None:
        for newest_ns, rows in self._overtaken:
            if newest_ns < end_ns:
                self._buffer.append(*rows)
        self._overtaken = [each for each in self._overtaken if each[0] >= end_ns]

    def _count_gaps(self, stamps: np.ndarray) -> None:
        reached = np.sort(stamps)
        if self.newest_ns is not None:
            reached = np.concatenate(([self.newest_ns], reached[reached > self.newest_ns]))
        if len(reached) and reached[-1] - reached[0] > self.max_age_ns:
            self.counters.gaps += int((np.diff(reached) > self.max_age_ns).sum())

    def window(self, start_ns: int, end_ns: int) -> np.ndarray | None:
        """float32 (n, columns) at start + k / rate before end, from samples before end only."""
        self._take_overtaken(end_ns)
        stamps, values = self._buffer.ordered()
        first = max(0, int(np.searchsorted(stamps, start_ns, "right")) - 1)
        stop = int(np.searchsorted(stamps, end_ns, "left"))
        times, rows = stamps[first:stop] - start_ns, values[first:stop]
        result = None
        self.counters.absence = self._absence(times, rows, end_ns - start_ns)
        if not self.counters.absence:
            result = self._resample(times, rows, end_ns - start_ns)
        self._buffer.discard_before(end_ns)
        self._closed_ns = end_ns
        return result

    def _absence(self, times: np.ndarray, rows: np.ndarray, duration_ns: int) -> str:
        """Why these rows are no measurement, "" when they are."""
        if not np.isfinite(rows).all():
            return NO_MEASUREMENT
        edges = np.concatenate(([min(0, times[0])], times, [duration_ns])) if len(times) else ()
        if not len(edges) or np.diff(edges).max() > self.max_age_ns:
            return f"no sample for more than max_signal_age_s, {self.max_age_ns / 1e9:g} s"
        return ""

    def _resample(self, times: np.ndarray, rows: np.ndarray, duration_ns: int) -> np.ndarray:
        if self._quaternions:
            rows = rows.copy()
        for columns in self._quaternions:
            rows[:, columns] = align_quaternions(rows[:, columns])
        result = interpolate(times, rows, grid_ns(duration_ns, self._rate_hz))
        for columns in self._quaternions:
            result[:, columns] = canonical_quaternions(result[:, columns])
        return result.astype(np.float32)

    def clear(self) -> None:
        self._buffer.clear()
        self._overtaken.clear()
        self._closed_ns = None
