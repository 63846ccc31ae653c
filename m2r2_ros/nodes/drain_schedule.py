# SPDX-License-Identifier: Apache-2.0
"""When the synchronizer reads its topics: as rarely as possible without delaying a window."""

from __future__ import annotations

from math import ceil, inf

# Longest time between windows in which messages only move from the middleware's queues to ours: a
# jump of time has to be noticed.
LONGEST_REST_S = 0.1
# Once the frame that ends a window is here, all queues are read when the window's last message is
# due, plus this time for its way ...
TRANSPORT_NS = 1_000_000
# ... and again at this interval while it is late or its time is unknown; within TRANSPORT_NS
# shortly after the frame: pictures of other cameras, taken at the same time, are on their way.
POLL_NS = 4_000_000
SHORTLY_S = 0.006
# Messages later than this after the frame are polled for at the slow interval.
POLL_LIMIT_S = 0.05
# Longest interval between two reads without a reference frame, so that the queues are read between
# the frames of a 10 Hz camera, too ...
IDLE_DRAIN_S = 0.04
# ... the last read comes this long before the next frame is due: it is then finished, and few
# messages are left to read when the frame is here.
LEAD_S = 0.012


class DrainSchedule:
    """Decides, at reference frames and after each drain, when the next drain is due.

    Times are seconds of one steady clock.
    """

    def __init__(self) -> None:
        self._drained_s = self._poll_until_s = -inf
        # When the topics are to be drained again.
        self._due_s = inf
        # When the last reference frame came, and how long after the one before.
        self._frame_s = -inf
        self._interval_s = inf

    def frame_came(self, now_s: float, wait_ns: float) -> float:
        """Return after how many nanoseconds to drain for a reference frame that has just come.

        `wait_ns` is what `WindowBuilder.frame_wait_ns` says of it. inf: it can wait for the next
        frame, or the drain that is due already is early enough.
        """
        self._interval_s, self._frame_s = now_s - self._frame_s, now_s
        if wait_ns == inf and now_s <= self._drained_s + LONGEST_REST_S:
            return inf
        self._poll_until_s = now_s + POLL_LIMIT_S
        if not 0 < wait_ns <= POLL_LIMIT_S * 1e9:
            return 0
        after_ns = wait_ns + TRANSPORT_NS
        if now_s <= self._due_s <= now_s + after_ns / 1e9:
            return inf
        self._due_s = now_s + after_ns / 1e9
        return after_ns

    def drained(self, now_s: float, wait_ns: tuple[int, int] | None) -> int | None:
        """Return after how many nanoseconds to drain again, None to leave it to what comes.

        `wait_ns` is what `WindowBuilder.wait_ns` says after the drain.
        """
        self._drained_s = now_s
        self._due_s = inf
        if wait_ns is None or now_s > self._poll_until_s:
            return None
        shortest_ns, longest_ns = wait_ns
        again_ns = TRANSPORT_NS if now_s < self._frame_s + SHORTLY_S else POLL_NS
        if longest_ns:
            again_ns = max(shortest_ns, min(longest_ns, POLL_NS)) + TRANSPORT_NS
        self._due_s = now_s + again_ns / 1e9
        return again_ns

    def idle_s(self, now_s: float) -> float:
        """Time from a drain or a rest to the next drain, unless something asks for one before."""
        left_s = self._frame_s + self._interval_s - LEAD_S - now_s
        if self._interval_s <= IDLE_DRAIN_S + LEAD_S or not LEAD_S < left_s < LONGEST_REST_S:
            return IDLE_DRAIN_S
        return left_s / ceil(left_s / IDLE_DRAIN_S)
