# SPDX-License-Identifier: Apache-2.0
"""Which streams are behind for good: decided once a second, from whole stamps on.

A stream that creeps over what windows wait for would be in one window and not in the next by luck
of delivery. So each window knows by its stamps alone whether it waits for a stream.
"""

from __future__ import annotations

from m2r2_ros.sensing.per_second import SECOND_NS, PerSecond

# A stream is in time again when it is this much of its patience behind.
IN_TIME_SHARE = 2 / 3


class LateStreams:
    """`names` are the streams that the window at hand is without."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._lags = PerSecond()
        # Stream -> start of the first window that sees it otherwise.
        self._edges: dict[str, int] = {}

    def note(self, name: str, lag_ns: int, patience_ns: int, present_ns: int) -> None:
        """A stream that has just brought something is so far behind the present."""
        lag = self._lags.add(name, lag_ns, present_ns)
        if lag is None:
            return
        is_late = name in self.names
        if lag < IN_TIME_SHARE * patience_ns if is_late else lag > patience_ns:
            # Half a second on, when windows that start before it are closed in any case.
            middle_ns = present_ns // SECOND_NS * SECOND_NS + SECOND_NS // 2
            self._edges.setdefault(name, middle_ns)

    def turn(self, start_ns: int) -> None:
        """Go on to the window that starts there."""
        for name in [name for name, edge_ns in self._edges.items() if edge_ns <= start_ns]:
            del self._edges[name]
            self.names ^= {name}

    def forget(self, name: str) -> None:
        self._lags.forget(name)
        self.names.discard(name)
        self._edges.pop(name, None)
