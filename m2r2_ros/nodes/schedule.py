# SPDX-License-Identifier: Apache-2.0
"""When the synchronizer empties the topics: as seldom as no window has to wait for it."""

from __future__ import annotations

from math import inf

# Between windows messages only move from the middleware's queues to ours, but for so long at most:
# it may be that a jump of time has to be noticed.
LONGEST_REST_S = 0.1
# When the frame is here that ends a window, all queues are emptied: at once, when the last message
# that is waited for should have come, with so much on the way ...
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

    def may_rest(self, now_s: float, ends_no_window: bool) -> bool:
        """Whether a reference frame that has just come can wait for the next one.

        Otherwise the topics are to be drained now.
        """
        if ends_no_window and now_s <= self._drained_s + LONGEST_REST_S:
            return True
        self._poll_until_s = now_s + POLL_LIMIT_S
        return False

    def drained(self, now_s: float, wait_ns: tuple[int, int] | None) -> int | None:
        """Return after how many nanoseconds to drain again, None to leave it to what comes.

        `wait_ns` is what `WindowBuilder.wait_ns` says after the drain.
        """
        self._drained_s = now_s
        if wait_ns is None or now_s > self._poll_until_s:
            return None
        shortest_ns, longest_ns = wait_ns
        if not longest_ns:
            return POLL_NS
        return max(shortest_ns, min(longest_ns, POLL_NS)) + TRANSPORT_NS
