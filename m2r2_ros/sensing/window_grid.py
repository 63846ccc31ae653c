# SPDX-License-Identifier: Apache-2.0
"""Where windows end: at frames of the reference camera, thinned to the window rate."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class WindowGrid:
    """Window ends against a grid of targets anchor + k * period.

    A window ends at the first frame stamped at or after its target minus a quarter period, which
    keeps the average rate where the camera's rate is no multiple of it. Where frames only come
    earlier than that (a camera at 10.01 Hz once every 25 s), the last of them ends the window and
    the grid starts anew from it. Where none comes within one and a half periods, a gap window of
    one period ends without a frame.
    """

    period_ns: int
    longest_ns: int
    # Start of the next window, None until the first one is known.
    start_ns: int | None = None
    anchor_ns: int = 0

    def begin(self, start_ns: int) -> None:
        self.start_ns = self.anchor_ns = start_ns

    def next_end(self, frames: Sequence[int], known_ns: float) -> tuple[int, bool] | None:
        """Return the end of the window at `start_ns` and whether a frame is there.

        frames: sorted stamps of the reference camera; known_ns: no further frame will come before
        it (infinity when there is no camera). None: a frame that is still to come may decide.
        """
        assert self.start_ns is not None
        earliest = self.earliest_end()
        latest = self.start_ns + self.longest_ns
        index = bisect_left(frames, earliest)
        if index < len(frames) and frames[index] <= latest:
            return frames[index], True
        if known_ns < latest:
            return None
        early = bisect_right(frames, latest) - 1
        if early >= 0 and frames[early] >= self.start_ns + self.period_ns // 2:
            return frames[early], True
        return self.start_ns + self.period_ns, False

    def earliest_end(self) -> int:
        """A frame between `start_ns` and here does not end the window when it comes."""
        quarter = self.period_ns // 4
        passed = (self.start_ns - self.anchor_ns + quarter) // self.period_ns
        return self.anchor_ns + (passed + 1) * self.period_ns - quarter

    def advance(self, end_ns: int) -> None:
        """The window [start, end) is closed."""
        if end_ns < self.earliest_end():
            self.anchor_ns = end_ns
        self.start_ns = end_ns
