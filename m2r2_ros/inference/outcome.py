# SPDX-License-Identifier: Apache-2.0
"""How far the open action is, and what has come of it, as the head tells frame by frame."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from m2r2_ros.inference.segment_events import ActionOutcome, FramePrediction

# Seconds before an action's end whose frames tell its outcome together: where it ends is known to
# a few frames only, and one frame alone may err.
EVIDENCE_S = 0.5
# More frames than any rule leaves open between the end of a segment and the time it is believed.
_MOST_FRAMES = 1000
# No single frame outweighs all others.
_SUREST = 1e-4


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
        needed_ns = known_end_ns - round(EVIDENCE_S * 1e9)
        while len(self._frames) > 1 and self._frames[1][0] <= needed_ns:
            self._frames.popleft()

    def progress_at(self, time_ns: int) -> float | None:
        """The answer of the last frame stamped at or before `time_ns`."""
        known = (outlook for stamp_ns, outlook in reversed(self._frames) if stamp_ns <= time_ns)
        return next(known, Outlook()).progress

    def success_of(self, start_ns: int, end_ns: int) -> float | None:
        """Probability that the action over [start_ns, end_ns) has succeeded.

        The mean log odds of its last EVIDENCE_S; None where no frame of them has an answer.
        """
        since_ns = max(start_ns, end_ns - round(EVIDENCE_S * 1e9))
        shares = [
            outlook.success
            for stamp_ns, outlook in self._frames
            if since_ns < stamp_ns <= end_ns and outlook.success is not None
        ]
        if not shares:
            return None
        share = np.clip(shares, _SUREST, 1 - _SUREST)
        return float(1 / (1 + np.exp(-np.mean(np.log(share / (1 - share))))))


def outcome_of(success: float | None, unknown_below: float = 0.0) -> tuple[ActionOutcome, float]:
    """The more probable outcome and its probability; UNKNOWN where that is less than it takes."""
    if success is None:
        return ActionOutcome.UNKNOWN, 0.0
    told = max(success, 1.0 - success)
    if told < unknown_below:
        return ActionOutcome.UNKNOWN, 0.0
    return (ActionOutcome.SUCCESS if success >= 0.5 else ActionOutcome.FAILURE), told
