# SPDX-License-Identifier: Apache-2.0
"""When the synchronizer empties the topics: as seldom as no window has to wait for it."""

from __future__ import annotations

from math import inf

# Between windows messages only move from the middleware's queues to ours, but for so long at most:
# it may be that a jump of time has to be noticed.
LONGEST_REST_S = 0.1
# When the frame is here that ends a window, all queues are emptied when the last message that is
# waited for should have come, with so much on the way ...
TRANSPORT_NS = 1_000_000
# ... and, if it is late or nobody knows better, this often.
POLL_NS = 4_000_000
# What has not come so long after the frame is waited for at leisure.
POLL_LIMIT_S = 0.05
# Without reference frames the queues are emptied this often. It is between those of a 10 Hz camera
# too, so that few messages are left to take when a window closes.
IDLE_DRAIN_S = 0.04


class DrainSchedule:
    """Decides, at reference frames and after each drain, when the next drain is due.

    Times are seconds of one steady clock. Beside what is decided here, the topics are drained
    `IDLE_DRAIN_S` after the last drain or rest.
    """

    def __init__(self) -> None:
        self._drained_s = self._poll_until_s = -inf
        # When the topics are to be drained again.
        self._due_s = inf

    def frame_came(self, now_s: float, wait_ns: float) -> float:
        """Return after how many nanoseconds to drain for a reference frame that has just come.

        `wait_ns` is what `WindowBuilder.frame_wait_ns` says of it. inf: it can wait for the next
        frame, or the drain that is due already is early enough.
        """
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
        again_ns = POLL_NS
        if longest_ns:
            again_ns = max(shortest_ns, min(longest_ns, POLL_NS)) + TRANSPORT_NS
        self._due_s = now_s + again_ns / 1e9
        return again_ns
