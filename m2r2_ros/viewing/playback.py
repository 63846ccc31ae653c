# SPDX-License-Identifier: Apache-2.0
"""Where in a recording one is: it plays, pauses and jumps as it is asked from another thread."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

_SLOWEST, _FASTEST = 0.01, 100.0


class PlaybackPoint(NamedTuple):
    """A moment: stamp [ns], speed, whether it goes on from there, and whether that is the end."""

    position_ns: int
    speed: float
    is_playing: bool
    has_ended: bool


class Playback:
    """From `start_ns` to `end_ns`, at first playing at true speed."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self.start_ns, self.end_ns = start_ns, max(start_ns, end_ns)
        self._position_ns, self._speed, self._is_playing = start_ns, 1.0, True
        self._has_jumped = True
        self._lock = threading.Lock()

    def ask(self, is_playing: bool, speed: float, position_ns: int | None = None) -> PlaybackPoint:
        """Play or pause, at this speed where it makes sense, from here or from a stamp on."""
        with self._lock:
            self._is_playing = is_playing
            if math.isfinite(speed) and speed > 0:
                self._speed = min(max(speed, _SLOWEST), _FASTEST)
            if position_ns is not None:
                self._position_ns = min(max(position_ns, self.start_ns), self.end_ns)
                self._has_jumped = True
            return self._now()

    def advance(self, elapsed_s: float) -> tuple[int, int]:
        """Go on for so long; the span [ns] that is passed, empty while it pauses."""
        with self._lock:
            before = self._position_ns
            if self._is_playing:
                step_ns = round(elapsed_s * self._speed * 1e9)
                self._position_ns = min(before + max(0, step_ns), self.end_ns)
            return before, self._position_ns

    def has_jumped(self) -> bool:
        """Whether it has jumped since this was asked last; at first it has, to the start."""
        with self._lock:
            jumped, self._has_jumped = self._has_jumped, False
            return jumped

    @property
    def now(self) -> PlaybackPoint:
        with self._lock:
            return self._now()

    def _now(self) -> PlaybackPoint:
        has_ended = self._position_ns >= self.end_ns
        return PlaybackPoint(self._position_ns, self._speed, self._is_playing, has_ended)
