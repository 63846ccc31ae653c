# SPDX-License-Identifier: Apache-2.0
"""What has come of an action, by what the head tells frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from m2r2_ros.inference.segment_events import ActionOutcome, FramePrediction

# No single frame outweighs all others.
_SUREST = 1e-4


class Outlook(NamedTuple):
    """The head's answer at one frame; None where it has none. See `FramePrediction`."""

    progress: float | None = None
    success: float | None = None
    successes: np.ndarray | None = None


def success_of(frames: Iterable[FramePrediction], end_ns: int, class_id: int) -> float | None:
    """Probability that an action of that class has succeeded that ends within these frames.

    The mean of their log odds; None where no frame has an answer. What comes right after an action
    tells most of it; only a head that answers for every class still speaks of it then.
    """
    answers = (_answer(frame, end_ns, class_id) for frame in frames)
    shares = [share for share in answers if share is not None]
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


def _answer(frame: FramePrediction, end_ns: int, class_id: int) -> float | None:
    if frame.successes is None:
        return frame.success if frame.stamp_ns <= end_ns else None
    share = float(frame.successes[class_id])
    return None if np.isnan(share) else share
