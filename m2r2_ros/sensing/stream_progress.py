# SPDX-License-Identifier: Apache-2.0
"""How far in time the streams have come, and which of them windows wait for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from m2r2_ros.sensing.limits import SensingLimits, to_ns
from m2r2_ros.sensing.stream import Stream


class StreamProgress:
    """Everything in stream time.

    A stream is active while it brings anything at all. The present is the median of the active
    streams' newest stamps, so that one clock that runs ahead does not make all others late. A
    stream is alive when it is active and keeps up with the present.

    expected  names of the streams that can bring something at all; for the others nobody waits.
    """

    def __init__(self, streams: Mapping[str, Stream], limits: SensingLimits) -> None:
        self._streams = streams
        self.expected = frozenset(streams)
        self._max_wait_ns = to_ns(limits.max_wait_s)
        self._reorder_ns = to_ns(limits.reorder_s)
        self.clear()

    def clear(self) -> None:
        # Stream -> newest stamp of any stream when it last brought something.
        self._seen: dict[str, int] = {}
        # How long it may bring nothing, how far what it brings may lag behind, and how far it did.
        self._pause: dict[str, int] = {}
        self._patience: dict[str, int] = {}
        self._lag: dict[str, int] = {}
        self.newest_ns: int | None = None
        # Usual interval of the stream that has brought it.
        self._newest_interval_ns = 0
        self.present_ns: int | None = None

    def note(self, delivered: Collection[str]) -> None:
        """Take note of what these streams have just ingested."""
        for name in delivered:
            stream = self._streams[name]
            if self.newest_ns is None or stream.newest_ns > self.newest_ns:
                self.newest_ns = stream.newest_ns
                self._newest_interval_ns = stream.interval_ns()
        for name in delivered:
            stream = self._streams[name]
            self._seen[name] = self.newest_ns
            interval = min(stream.interval_ns(), stream.max_age_ns)
            self._patience[name] = interval + self._max_wait_ns
            self._pause[name] = stream.longest_pause_ns + self._max_wait_ns
        active = sorted(self._streams[name].newest_ns for name in self._seen if self._active(name))
        self.present_ns = active[len(active) // 2]
        for name in delivered:
            self._lag[name] = self.present_ns - self._streams[name].newest_ns

    def _active(self, name: str) -> bool:
        return self.newest_ns - self._seen[name] <= self._pause[name]

    def is_alive(self, name: str) -> bool:
        """Whether windows wait for a stream."""
        if name not in self._seen or not self._active(name):
            return False
        if self._lag[name] > self._patience[name]:
            return False
        return self.present_ns - self._streams[name].newest_ns <= self._pause[name]

    def alive(self) -> set[str]:
        return {name for name in self._seen if self.is_alive(name)}

    def decided_ns(self) -> int:
        """What is stamped up to here has arrived, or is late."""
        return self.present_ns - self._max_wait_ns

    def known_until(self) -> int:
        """No stream is expected to bring anything more before this time."""
        silent_until = self.present_ns - self._reorder_ns
        times = (
            self._streams[name].known_until() if self.is_alive(name) else silent_until
            for name in self.expected
        )
        return min(times, default=silent_until)

    def wait_ns(self, end_ns: int) -> tuple[int, int]:
        """How long from now until `known_until` should reach `end_ns`, at least and at most.

        Now is between the newest sample of all and the next one of its stream.
        """
        longest = max(0, self.expected_by(end_ns, self.expected) - self.newest_ns)
        return max(0, longest - self._newest_interval_ns), longest

    def expected_by(self, end_ns: int, names: Iterable[str]) -> int:
        """When these streams should be known until `end_ns`: that itself if there are none."""
        times = (
            self._streams[name].expected_by(end_ns)
            if self.is_alive(name)
            else self.newest_ns + end_ns - (self.present_ns - self._reorder_ns)
            for name in names
        )
        return max(times, default=end_ns)

    def samples_until(self, name: str) -> int:
        """All samples of one stream up to here are there; its usual interval is not trusted."""
        if self.is_alive(name):
            return self._streams[name].newest_ns
        return self.present_ns - self._reorder_ns
