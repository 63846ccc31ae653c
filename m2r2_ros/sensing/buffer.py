# SPDX-License-Identifier: Apache-2.0
"""Stamped rows in a preallocated buffer, sorted when they are read."""

from __future__ import annotations

import numpy as np

from m2r2_ros.sensing.counters import StreamCounters

# Samples from which the usual interval of a stream is estimated.
INTERVAL_SAMPLES = 32


class StampedBuffer:
    """At most `capacity` rows; stamps may come out of order and twice.

    Rows lie contiguous in an array twice as long and move to its front when it is full, so a batch
    is appended in O(1) amortised and a range of time is a view. Of rows with the same stamp the
    first to arrive stays.
    """

    def __init__(self, capacity: int, columns: int, counters: StreamCounters) -> None:
        self._stamps = np.empty(2 * capacity, np.int64)
        self._values = np.empty((2 * capacity, columns))
        self._capacity = capacity
        self._counters = counters
        self.clear()

    def clear(self) -> None:
        self._begin = self._end = 0
        self._sorted = True
        self.newest_ns: int | None = None
        # Discarded ones, too, so that a hole is one interval of many.
        self._recent = np.empty(0, np.int64)
        self._interval_ns: int | None = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def append(self, stamps: np.ndarray, values: np.ndarray) -> None:
        """Add n >= 1 rows in order of arrival: stamps int64 (n,), values float (n, columns)."""
        excess = max(0, len(stamps) - self._capacity)
        self._counters.dropped += excess
        stamps, values = stamps[excess:], values[excess:]
        in_order = self._note_order(stamps)
        self._make_room(len(stamps))
        self._sorted &= in_order
        stop = self._end + len(stamps)
        self._stamps[self._end : stop] = stamps
        self._values[self._end : stop] = values
        self._end = stop
        self._recent = np.unique(np.concatenate((self._recent, stamps)))[-INTERVAL_SAMPLES:]
        self._interval_ns = None

    def _note_order(self, stamps: np.ndarray) -> bool:
        """Count rows older than one before them; True when each is newer than all before."""
        newest = stamps[0] - 1 if self.newest_ns is None else self.newest_ns
        reached = np.maximum.accumulate(np.concatenate(([newest], stamps)))
        self._counters.out_of_order += int((stamps < reached[:-1]).sum())
        self.newest_ns = int(reached[-1])
        return bool((stamps > reached[:-1]).all())

    def _make_room(self, count: int) -> None:
        if len(self) + count > self._capacity:
            self._sort()
            excess = max(0, len(self) + count - self._capacity)
            self._begin += excess
            self._counters.dropped += excess
        if self._end + count > len(self._stamps):
            size = len(self)
            self._stamps[:size] = self._stamps[self._begin : self._end]
            self._values[:size] = self._values[self._begin : self._end]
            self._begin, self._end = 0, size

    def _sort(self) -> None:
        if self._sorted:
            return
        stamps, values = self.live()
        # np.unique gives the index of the first arrival of each stamp.
        unique, first = np.unique(stamps, return_index=True)
        self._counters.duplicate += len(stamps) - len(unique)
        self._end = self._begin + len(unique)
        self._values[self._begin : self._end] = values[first]
        self._stamps[self._begin : self._end] = unique
        self._sorted = True

    def live(self) -> tuple[np.ndarray, np.ndarray]:
        """Views of all rows, in the order in which they lie."""
        return (
            self._stamps[self._begin : self._end],
            self._values[self._begin : self._end],
        )

    def ordered(self) -> tuple[np.ndarray, np.ndarray]:
        """Views of all rows in order of time, valid until the next call."""
        self._sort()
        return self.live()

    def discard_before(self, stamp_ns: int) -> None:
        """Forget all rows before the last one stamped at or before `stamp_ns`."""
        stamps, _ = self.ordered()
        self._begin += max(0, int(np.searchsorted(stamps, stamp_ns, "right")) - 1)

    def interval_ns(self) -> int:
        """Usual distance of two samples (median of the last ones), 0 when unknown."""
        if self._interval_ns is None:
            self._interval_ns = usual_interval(self._recent)
        return self._interval_ns


def usual_interval(stamps: np.ndarray) -> int:
    """Median difference of sorted stamps, 0 for fewer than two."""
    count = len(stamps) - 1
    if count < 1:
        return 0
    return int(np.partition(np.diff(stamps), count // 2)[count // 2])
