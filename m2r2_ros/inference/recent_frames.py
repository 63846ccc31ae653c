# SPDX-License-Identifier: Apache-2.0
"""The last frames, for as long as what ends may still be judged by them."""

from __future__ import annotations

import math
from collections import deque

from m2r2_ros.inference.segment_events import FramePrediction

# Seconds before an action's end whose frames tell its object, and before and after it its outcome:
# where it ends is known to a few frames only, and one frame alone may err.
EVIDENCE_S = 0.5

# More frames than any rule leaves open between the end of a segment and the time it is believed.
_MOST_FRAMES = 1000
# Part of a frame by which a rate may be off: it is the mean of frames that do not come evenly.
_UNEVEN = 0.01


class RecentFrames:
    """Frames up to the end of what goes on, so that a segment is judged by its own.

    A segment's end is known some frames after it; those frames belong to what follows.
    """

    def __init__(self) -> None:
        self._frames: deque[FramePrediction] = deque(maxlen=_MOST_FRAMES)

    def clear(self) -> None:
        """Forget the sequence."""
        self._frames.clear()

    def add(self, frame: FramePrediction, known_end_ns: int) -> None:
        """Take a frame; nobody will ask for a time before `known_end_ns`."""
        self._frames.append(frame)
        needed_ns = known_end_ns - round(EVIDENCE_S * 1e9)
        while len(self._frames) > 1 and self._frames[1].stamp_ns <= needed_ns:
            self._frames.popleft()

    def at(self, time_ns: int) -> FramePrediction | None:
        """The last frame stamped at or before `time_ns`."""
        return next((f for f in reversed(self._frames) if f.stamp_ns <= time_ns), None)

    def ending(self, start_ns: int, end_ns: int) -> list[FramePrediction]:
        """Those of the last EVIDENCE_S of what lasts over [start_ns, end_ns), in order."""
        return [frame for frame in self.around(start_ns, end_ns) if frame.stamp_ns <= end_ns]

    def around(self, start_ns: int, end_ns: int) -> list[FramePrediction]:
        """Those of `ending`, and what has come within EVIDENCE_S after the end."""
        reach_ns = round(EVIDENCE_S * 1e9)
        since_ns, until_ns = max(start_ns, end_ns - reach_ns), end_ns + reach_ns
        return [frame for frame in self._frames if since_ns < frame.stamp_ns <= until_ns]


def evidence_frames(rate_hz: float) -> tuple[int, int]:
    """How many frames `RecentFrames.around` gives at that rate: up to an action's last one, which
    is among them, and after it.
    """
    frames = EVIDENCE_S * rate_hz
    return max(1, math.ceil(frames - _UNEVEN)), math.floor(frames + _UNEVEN)
