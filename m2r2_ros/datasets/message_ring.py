# SPDX-License-Identifier: Apache-2.0
"""The newest messages of all topics, as many as fit into so many bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import dropwhile

from m2r2_ros.datasets.take import Received

# What a message takes beside its data: the object, its numbers, its place in the queue.
_OVERHEAD_BYTES = 300


class MessageRing:
    """A queue in order of arrival; the oldest go where there is no more room.

    evicted  how many have gone.
    """

    def __init__(self, most_bytes: int) -> None:
        self.evicted = 0
        self.size = 0
        self._most_bytes = most_bytes
        self._messages: deque[Received] = deque()

    def add(self, messages: Iterable[Received]) -> None:
        """Take messages in order of their arrival."""
        for message in messages:
            self._messages.append(message)
            self.size += _cost(message)
            while self.size > self._most_bytes:
                self.size -= _cost(self._messages.popleft())
                self.evicted += 1

    def since(self, arrival_ns: int) -> list[Received]:
        """Those that came then or later."""
        return list(dropwhile(lambda each: each.arrival_ns < arrival_ns, self._messages))

    def lacks_ns(self, arrival_ns: int) -> int:
        """Of what came since then, how much of the time is no longer here."""
        if not self.evicted or not self._messages:
            return 0
        return max(0, self._messages[0].arrival_ns - arrival_ns)


def _cost(message: Received) -> int:
    return len(message.data) + _OVERHEAD_BYTES
