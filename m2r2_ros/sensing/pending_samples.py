# SPDX-License-Identifier: Apache-2.0
"""Samples of one stream that have arrived and are not yet placed on the common time line."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from m2r2_ros.sensing.counters import StreamCounters

# The stamp of a driver that does not fill header.stamp. Simulated time begins there, too, so a
# single one is no fault.
ZERO_STAMPS = "stamps are zero: its driver has to fill header.stamp"
STILL = "stamps stand still"
BEHIND = "stamps are behind the others' and do not go on with them"
AHEAD = "stamps are ahead of the others' and do not go on with them"

# Stamps int64 (n,) in order of arrival, and their data: an array of n rows, or, when n is 1, any
# object.
Batch = tuple[np.ndarray, Any]


class PendingSamples:
    """Bounded list of batches in order of arrival; the oldest fall out first and are counted."""

    def __init__(self, capacity: int, counters: StreamCounters) -> None:
        self._batches: deque[tuple[np.ndarray, Any, int]] = deque()
        self._capacity = capacity
        self._total = 0
        # What the waiting batches take, stamps aside.
        self.nbytes = 0
        self._newest_stamp = -1
        self._counters = counters

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, stamps: np.ndarray, payload: Any, size: int, sent_ns: int | None = None) -> None:
        """Append a batch that counts `size` >= 1 against the capacity.

        `sent_ns` is the last stamp as its driver has sent it, where `stamps` are other times.
        """
        self._note_stamp(int(stamps[-1]) if sent_ns is None else sent_ns)
        self._append(stamps, payload, size)

    def _append(self, stamps: np.ndarray, payload: Any, size: int) -> None:
        self._batches.append((stamps, payload, size))
        self._total += size
        self.nbytes += _bytes_of(payload)
        while self._total > self._capacity and len(self._batches) > 1:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Let go of the batch that came first, and count it."""
        _, payload, lost = self._batches.popleft()
        self._total -= lost
        self.nbytes -= _bytes_of(payload)
        self._counters.dropped += lost

    def _note_stamp(self, stamp: int) -> None:
        if stamp == self._newest_stamp:
            self._counters.reason = STILL if stamp else ZERO_STAMPS
        elif self._counters.reason in (STILL, ZERO_STAMPS):
            self._counters.reason = ""
        self._newest_stamp = stamp

    @property
    def size(self) -> int:
        """The size of the waiting batches, against the capacity."""
        return self._total

    def stamps(self) -> np.ndarray:
        """All stamps in order of arrival, int64."""
        return np.concatenate([stamps for stamps, _, _ in self._batches])

    def payloads(self) -> list[Any]:
        """The data of all batches in order of arrival."""
        return [payload for _, payload, _ in self._batches]

    def take(
        self, accepted: np.ndarray, waiting: np.ndarray | None, present_ns: int
    ) -> list[Batch]:
        """Remove and return the accepted samples, in order of arrival; keep those that wait.

        Masks are over `stamps`. The others are refused: `past` when stamped before `present_ns`,
        `future` otherwise.
        """
        if accepted.all():
            taken = [(stamps, payload) for stamps, payload, _ in self._batches]
            self.clear()
            return taken
        taken, begin = [], 0
        batches = list(self._batches)
        self.clear()
        for stamps, payload, size in batches:
            end = begin + len(stamps)
            inside = accepted[begin:end]
            left = np.zeros_like(inside) if waiting is None else waiting[begin:end]
            begin = end
            if inside.any():
                taken.append(_some(stamps, payload, inside))
            if left.any():
                self._append(*_some(stamps, payload, left), int(left.sum()) * size // len(stamps))
            self._refuse(stamps[~(inside | left)], size // len(stamps), present_ns)
        return taken

    def _refuse(self, stamps: np.ndarray, size: int, present_ns: int) -> None:
        if not len(stamps):
            return
        early = int((stamps < present_ns).sum())
        self._counters.reject("past", early * size)
        self._counters.reject("future", (len(stamps) - early) * size)
        if self._counters.reason != ZERO_STAMPS:
            self._counters.reason = BEHIND if stamps[-1] < present_ns else AHEAD

    def reject(self, present_ns: int) -> None:
        """Refuse everything."""
        for stamps, _, size in self._batches:
            self._refuse(stamps, size // len(stamps), present_ns)
        self.clear()

    def clear(self) -> None:
        self._batches.clear()
        self._total = self.nbytes = 0


def _bytes_of(payload: Any) -> int:
    return getattr(payload, "nbytes", 0)


def _some(stamps: np.ndarray, payload: Any, mask: np.ndarray) -> Batch:
    """Those of a batch that the mask names, at least one."""
    return (stamps, payload) if mask.all() else (stamps[mask], payload[mask])
