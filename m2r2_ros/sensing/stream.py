# SPDX-License-Identifier: Apache-2.0
"""The base of all streams: an inbox, a newest stamp, and how far the stream is known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from m2r2_ros.sensing.counters import StreamCounters
from m2r2_ros.sensing.limits import to_ns
from m2r2_ros.sensing.pending_samples import Batch, PendingSamples

# A window may close this long (a quarter of the usual interval and this) before the next sample
# of a slow stream is due; fast streams are waited for to the last sample.
EARLIEST_NS = 5_000_000


class Stream(ABC):
    """One modality between its subscription and the windows."""

    def __init__(
        self, name: str, capacity: int, max_age_s: float, counters: StreamCounters
    ) -> None:
        self.name = name
        # A sample older than this is no measurement of the present.
        self.max_age_ns = to_ns(max_age_s)
        self.counters = counters
        self.inbox = PendingSamples(capacity, counters)

    @property
    @abstractmethod
    def newest_ns(self) -> int | None:
        """Time up to which data is there, None before the first sample."""

    @property
    @abstractmethod
    def oldest_ns(self) -> int | None:
        """Stamp of the oldest sample that is held."""

    @abstractmethod
    def interval_ns(self) -> int:
        """Usual distance of two samples, 0 when unknown."""

    def waiting_intervals(self, count: int) -> np.ndarray:
        """How far each of the inbox's `count` stamps usually lies after the one before: int64."""
        return np.full(count, self.interval_ns(), np.int64)

    @abstractmethod
    def ingest(self, batches: list[Batch]) -> None:
        """Place accepted batches on the time line."""

    @abstractmethod
    def window(self, start_ns: int, end_ns: int) -> Any | None:
        """Return the stream's part of [start, end), None when it is no measurement.

        Forgets what no later window needs.
        """

    @abstractmethod
    def clear(self) -> None:
        """Forget all data; inbox and counts stay."""

    @property
    def longest_pause_ns(self) -> int:
        """How long nothing comes from it at most while it is alive, as far as is known."""
        return min(self.interval_ns(), self.max_age_ns)

    @property
    def first_wait_ns(self) -> int:
        """For how long, from the first sample of any stream on, its first one is waited for."""
        return 0

    def known_until(self) -> int:
        """Time up to which a live stream is expected to have sent everything."""
        assert self.newest_ns is not None
        return self.newest_ns + max(0, self.interval_ns() * 3 // 4 - EARLIEST_NS)

    def reaches(self) -> int:
        """As `known_until`, once all that waits has been ingested."""
        assert self.newest_ns is not None
        waiting = int(self.inbox.stamps().max()) if len(self.inbox) else self.newest_ns
        return self.known_until() + max(0, waiting - self.newest_ns)

    def expected_by(self, end_ns: int) -> int:
        """Time of the sample with which the stream reaches `end_ns`, at its usual interval."""
        assert self.newest_ns is not None
        missing = max(0, end_ns - self.known_until())
        interval = max(1, self.interval_ns())
        return self.newest_ns - (-missing // interval) * interval
