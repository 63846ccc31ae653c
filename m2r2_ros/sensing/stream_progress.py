# SPDX-License-Identifier: Apache-2.0
"""How far in time the streams have come, and which of them windows wait for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from m2r2_ros.sensing.late_streams import LateStreams
from m2r2_ros.sensing.limits import SensingLimits, to_ns
from m2r2_ros.sensing.silence import Silence
from m2r2_ros.sensing.stream import Stream

# A clock lets a lag grow by at most this much in a second; a held-up message does so at once.
_CREEP = 0.25


class StreamProgress:
    """All times are stream time.

    A stream is active while it brings anything at all. The present is the median of the active
    streams' newest stamps: one clock that runs ahead makes no other late. Of two halves whose
    clocks are apart the slow one tells the present. A stream is alive when it is active and keeps
    up with the present: it is neither `late` nor held up.

    expected  names of the streams that can bring something; windows wait for these alone.
    """

    def __init__(self, streams: Mapping[str, Stream], limits: SensingLimits) -> None:
        self._streams = streams
        self.expected = frozenset(streams)
        self._max_wait_ns = to_ns(limits.max_wait_s)
        self._reorder_ns = to_ns(limits.reorder_s)
        self.clear()

    def clear(self) -> None:
        self._silence = Silence()
        self._late = LateStreams()
        # How long a stream may bring nothing, and how far what it brings may lag behind.
        self._pause: dict[str, int] = {}
        self._patience: dict[str, int] = {}
        # How far each was behind the upper median when it last brought something. How far it
        # usually is, and as of when: this follows a lag that creeps.
        self._lag: dict[str, int] = {}
        self._usual: dict[str, tuple[float, int]] = {}
        # Stream -> how many times in a row it has brought something and was held up.
        self._held_up: dict[str, int] = {}
        self._found_active: set[str] = set()
        self.present_ns: int | None = None
        # The upper median, where the present is the lower one.
        self._upper_ns = 0

    def note(self, delivered: Collection[str]) -> None:
        """Take note of what these streams have just ingested."""
        # One that was late tells nothing when it catches up.
        active = {name for name in self._silence.names if self._active(name)} - self._late.names
        self._silence.hear({name: self._streams[name].newest_ns for name in delivered}, active)
        for name in delivered:
            stream = self._streams[name]
            interval = min(stream.interval_ns(), stream.max_age_ns)
            self._patience[name] = interval + self._max_wait_ns
            self._pause[name] = stream.longest_pause_ns + self._max_wait_ns
        newest = self._find_upper()
        for name in delivered:
            self._note_lag(name)
        self._find_present(newest)
        for name in delivered:
            self._held_up[name] = self._held_up.get(name, 0) + 1 if self._is_held_up(name) else 0
            self._late.note(name, self._lag_ns(name), self._patience[name], self.present_ns)

    def _note_lag(self, name: str) -> None:
        lag_ns = self._lag[name] = self._upper_ns - self._streams[name].newest_ns
        usual_ns, then_ns = self._usual.get(name, (lag_ns, self._upper_ns))
        crept_ns = _CREEP * max(0, self._upper_ns - then_ns)
        self._usual[name] = (min(lag_ns, usual_ns + crept_ns), self._upper_ns)

    def turn(self, start_ns: int) -> None:
        """Go on to the window that starts there."""
        self._late.turn(start_ns)

    def leave_out(self, names: Collection[str]) -> None:
        """Nothing more of these streams belongs to the present."""
        gone = [name for name in names if name in self._silence.names]
        for name in gone:
            self._silence.forget(name)
            self._late.forget(name)
            for state in (self._held_up, self._usual, self._lag):
                state.pop(name, None)
        if gone and self._silence.names:
            self._find_present(self._find_upper())

    def _find_upper(self) -> list[tuple[int, str]]:
        """Find the upper median of the newest stamps of the active streams; these, sorted."""
        names = {name for name in self._silence.names if self._active(name)}
        if names != self._found_active:
            # The median is another one, and with it every lag.
            for name in names & self._found_active:
                self._usual.pop(name, None)
        self._found_active = names
        newest = sorted((self._streams[name].newest_ns, name) for name in names)
        self._upper_ns = newest[len(newest) // 2][0]
        return newest

    def _find_present(self, newest: list[tuple[int, str]]) -> None:
        lower_ns, name = newest[(len(newest) - 1) // 2]
        # Of two halves whose clocks are apart neither is late.
        apart = self._lag[name] > self._patience[name] and self._creeps(name)
        self.present_ns = lower_ns if apart and lower_ns < self._upper_ns else self._upper_ns

    def _active(self, name: str) -> bool:
        return self._silence.silent_ns(name) <= self._pause[name]

    def is_alive(self, name: str) -> bool:
        """Whether windows wait for a stream."""
        if name not in self._silence.names or not self._active(name):
            return False
        if name in self._late.names or self._is_held_up(name):
            return False
        behind_ns = self.present_ns - self._streams[name].newest_ns
        return behind_ns <= self._pause[name] + max(0, self._lag_ns(name))

    def _lag_ns(self, name: str) -> int:
        """How far a stream lagged behind the present when it last brought something."""
        return self._lag[name] - (self._upper_ns - self.present_ns)

    def _creeps(self, name: str) -> bool:
        """Whether a stream is about as far behind as it has been, which tells a clock."""
        spread_ns = max(self._max_wait_ns // 2, 2 * (self._patience[name] - self._max_wait_ns))
        usual_ns, _ = self._usual.get(name, (self._lag[name], 0))
        return self._lag[name] <= usual_ns + spread_ns

    def _is_held_up(self, name: str) -> bool:
        """Whether a stream is further behind than windows wait. One that creeps is `late` first."""
        patience_ns = self._patience[name]
        return self._lag_ns(name) > (2 * patience_ns if self._creeps(name) else patience_ns)

    def is_late(self, name: str, end_ns: int) -> bool:
        """Whether delivery decides what has come of a stream until a window's end."""
        if name in self._late.names:
            return True
        is_held_up = self._held_up.get(name, 0) > 1 and self._active(name)
        return is_held_up and self._streams[name].known_until() < end_ns

    def late(self) -> set[str]:
        """The active streams that windows leave out."""
        held_up = {name for name, times in self._held_up.items() if times > 1}
        return {name for name in self._late.names | held_up if self._active(name)}

    def patience_ns(self, name: str) -> int:
        """How far a stream may lag behind the present."""
        return self._patience.get(name, self._max_wait_ns)

    @property
    def last_ns(self) -> int:
        """The time that the streams have reached when the recording ends."""
        return self._front(self._upper_ns)[0]

    def _front(self, present_ns: int) -> tuple[int, int]:
        """Newest stamp near the present, and the usual interval of the stream that brought it.

        Stamps far ahead of the present are left out: their clock runs ahead.
        """
        latest_ns = present_ns + self._max_wait_ns
        streams = (self._streams[name] for name in self._silence.names)
        near = (stream for stream in streams if stream.newest_ns <= latest_ns)
        readings = ((stream.newest_ns, stream.interval_ns()) for stream in near)
        return max(readings, default=(present_ns, 0))

    def alive(self) -> set[str]:
        return {name for name in self._silence.names if self.is_alive(name)}

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
        now_ns, interval_ns = self._front(self.present_ns)
        longest = max(0, self.expected_by(end_ns, self.expected) - now_ns)
        return max(0, longest - interval_ns), longest

    def expected_by(self, end_ns: int, names: Iterable[str]) -> int:
        """When these streams should be known until `end_ns`: that itself if there are none."""
        front_ns, _ = self._front(self.present_ns)
        times = (
            self._streams[name].expected_by(end_ns)
            if self.is_alive(name)
            else front_ns + end_ns - (self.present_ns - self._reorder_ns)
            for name in names
        )
        return max(times, default=end_ns)

    def samples_until(self, name: str) -> int:
        """All samples of one stream up to here are there; its usual interval is not trusted."""
        if self.is_alive(name):
            return self._streams[name].newest_ns
        return self.present_ns - self._reorder_ns
