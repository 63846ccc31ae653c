# SPDX-License-Identifier: Apache-2.0
"""Where a stream's own stamps step: known from them alone, however they were delivered."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

# No clock shows this (ROS time ends at 2**31 s); differences of smaller stamps fit int64.
NEVER_NS = 2**62
# A clock that has not run for so long stands still, or counts in another unit.
LEAST_RUN_NS = 1_000_000


class Stamps:
    """What has arrived of one stream: int64 (n,), n >= 1, in order of arrival.

    A step is how far apart two in a row are, but for the usual interval before each, int64 (n,).
    Stamps without one of more than `least_ns` are a line.

    accepted    mask over the samples that lead on from `before_ns`, the stream's last stamp.
    stray       mask over those of the newest line when it leads on from nothing, else empty.
    absence_ns  for how long it was elsewhere before it came back, at most; `back_ns` is where.
    """

    def __init__(
        self, times: np.ndarray, before_ns: int | None, least_ns: int, intervals: np.ndarray
    ) -> None:
        self.times = times
        self.newest_ns = int(times[-1])
        self._least_ns, self._intervals = least_ns, intervals
        self._here_ns = before_ns
        self.accepted = np.zeros(len(times), bool)
        self.stray = np.zeros(len(times), bool)
        self.absence_ns, self.back_ns = 0, 0
        # How far a line has run that leads on from nothing, and that nothing leads on from.
        self._elsewhere_ns = 0
        # Where the newest line that leads on begins.
        self._first = 0
        steps = np.flatnonzero(_distances(times[:-1] + intervals[1:], times[1:]) > least_ns) + 1
        bounds = [0, *steps.tolist(), len(times)]
        for first, stop in pairwise(bounds):
            self._read(first, stop)

    def _read(self, first: int, stop: int) -> None:
        """Take the next line."""
        begin_ns = int(self.times[first])
        if self._here_ns is not None and self._leads(self._here_ns, first):
            self._come_back(begin_ns, max(self._elsewhere_ns, self.span_ns))
            self.stray[:] = False
            self.accepted[first:stop] = True
            self._first = first
            self._here_ns = int(self.times[stop - 1])
            return
        # One odd stamp in a line does not end it.
        if self.is_stray and not self._leads(int(self.times[self.stray][-1]), first):
            self._elsewhere_ns = max(self._elsewhere_ns, self.span_ns)
            self.stray[:] = False
        self.stray[first:stop] = True

    def _come_back(self, begin_ns: int, elsewhere_ns: int) -> None:
        if elsewhere_ns > self.absence_ns:
            self.absence_ns, self.back_ns = elsewhere_ns, begin_ns

    def _leads(self, from_ns: int, index: int) -> bool:
        return abs(self._begin_ns(index) - from_ns) <= self._least_ns

    def _begin_ns(self, index: int) -> int:
        """What leads on to a stamp."""
        return int(self.times[index]) - int(self._intervals[index])

    @property
    def is_stray(self) -> bool:
        return bool(self.stray.any())

    @property
    def span_ns(self) -> int:
        """How far it has run since it has stepped; a single odd stamp is no new clock."""
        line = self.times[self.stray]
        ran_ns = int(line.max()) - int(line.min()) if len(line) else 0
        return ran_ns if ran_ns >= LEAST_RUN_NS else 0

    @property
    def line_ns(self) -> int:
        """Where the newest line begins."""
        return int(self.times[self.stray][0])

    @property
    def begin_ns(self) -> int:
        """What leads on to the newest line."""
        return self._begin_ns(int(np.argmax(self.stray)))

    @property
    def step_ns(self) -> int | None:
        """How far it has stepped, None where it has been nowhere before."""
        if self._here_ns is None:
            return None
        return abs(self.begin_ns - self._here_ns)

    def accept_line(self) -> None:
        """It belongs to the present."""
        if self.is_stray:
            self._come_back(self.line_ns, self._elsewhere_ns)
            self._first = int(np.argmax(self.stray))
        self.accepted |= self.stray
        self.stray[:] = False

    def refuse_line(self) -> None:
        self.stray[:] = False

    def reached_ns(self) -> int:
        """Newest accepted stamp since it has stepped; there must be one."""
        return int(self.times[self._first :][self.accepted[self._first :]].max())

    def waiting(self) -> np.ndarray:
        """Mask over what waits for a vote: of stamps that stand still the first."""
        if self.span_ns:
            return self.stray
        return self.stray & (np.cumsum(self.stray) == 1)


def _distances(these: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of int64 stamps, uint64: that of any two fits."""
    return np.maximum(these, others).view(np.uint64) - np.minimum(these, others).view(np.uint64)
