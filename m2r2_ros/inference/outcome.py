# SPDX-License-Identifier: Apache-2.0
"""How far the open action is, and what has come of it, as the head tells frame by frame."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from m2r2_ros.inference.segment_events import ActionOutcome, FramePrediction

# More frames than any rule leaves open between the end of a segment and the time it is believed.
_MOST_FRAMES = 1000


class Outlook(NamedTuple):
    """The head's answer at one frame; None where it has none."""

    progress: float | None = None
    success: float | None = None


class ActionOutlook:
    """Remembers the head's last answers, so that a segment is judged by the frames up to its end.

    A segment's end is known some frames after it; those frames belong to what follows.
    """

    def __init__(self) -> None:
        self._frames: deque[tuple[int, Outlook]] = deque(maxlen=_MOST_FRAMES)

    def clear(self) -> None:
        """Forget the sequence."""
        self._frames.clear()

    def add(self, frame: FramePrediction, known_end_ns: int) -> None:
        """Take a frame; nobody will ask for a time before `known_end_ns`."""
        self._frames.append((frame.stamp_ns, Outlook(frame.progress, frame.success)))
        while len(self._frames) > 1 and self._frames[1][0] <= known_end_ns:
            self._frames.popleft()

    def at(self, time_ns: int) -> Outlook:
        """The answer of the last frame stamped at or before `time_ns`."""
        known = (outlook for stamp_ns, outlook in reversed(self._frames) if stamp_ns <= time_ns)
        return next(known, Outlook())


def outcome_of(success: float | None) -> tuple[ActionOutcome, float]:
    """The more probable outcome and its probability."""
    if success is None:
        return ActionOutcome.UNKNOWN, 0.0
    if success >= 0.5:
        return ActionOutcome.SUCCESS, success
    return ActionOutcome.FAILURE, 1.0 - success
