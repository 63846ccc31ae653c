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
    """The head's answer at one frame; None where it has none."""

    progress: float | None = None
    success: float | None = None


def success_of(frames: Iterable[FramePrediction]) -> float | None:
    """Probability that the action that ends with these frames has succeeded.

    The mean of their log odds; None where no frame has an answer.
    """
    shares = [frame.success for frame in frames if frame.success is not None]
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
