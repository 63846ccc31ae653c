# SPDX-License-Identifier: Apache-2.0
"""The values that travel from the head to the planner."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np


@dataclass(frozen=True)
class FramePrediction:
    """The head's answer for the window that ends at `stamp_ns`.

    probabilities  float32 (C,), calibrated class posterior, sums to 1.
    boundary       probability in [0, 1] that an action starts at this frame.
    progress       share of the action at this frame that is done, None where nobody tells it.
    success        probability that this action succeeds, by what was seen; None as above.
    successes      float32 (C,), that of an action of each class that ends about now, NaN where it
                   is not told; None as above.
    """

    index: int
    stamp_ns: int
    probabilities: np.ndarray
    boundary: float
    progress: float | None = None
    success: float | None = None
    successes: np.ndarray | None = None


class SegmentStatus(IntEnum):
    """As in m2r2_msgs/ActionSegment."""

    STARTED = 0
    ONGOING = 1
    ENDED = 2


class ActionOutcome(IntEnum):
    """What came of an action, as in m2r2_msgs/ActionSegment."""

    UNKNOWN = 0
    SUCCESS = 1
    FAILURE = 2


@dataclass(frozen=True)
class SegmentEvent:
    """One message to the planner about one segment.

    stamp_ns is the frame that caused it. Ids count up by one; every STARTED gets one ENDED, which
    comes before the next STARTED; segments do not overlap, but across a step back of the clock;
    nothing published is ever revised. Only an activity that started without its object may be
    given one, once, by an ONGOING.
    While a segment is open `end_ns` is the time up to which it is known to last.
    class_id is -1 for the label "unknown" and for an activity whose object is not certain: its
    label is the coarse one ("tighten" of "tighten cap"), its object "". Every float is a share,
    0 to 1. `outcome` is said at ENDED, with its probability (0 of UNKNOWN); `progress` is None
    where the head does not tell it.
    """

    stamp_ns: int
    segment_id: int
    status: SegmentStatus
    label: str
    action: str
    object: str
    class_id: int
    confidence: float
    start_ns: int
    end_ns: int
    boundary_confidence: float
    outcome: ActionOutcome = ActionOutcome.UNKNOWN
    outcome_confidence: float = 0.0
    progress: float | None = None


def fields_of(kind: type) -> tuple[str, ...]:
    """Names of the fields of SegmentEvent that are declared as `kind`."""
    return tuple(entry.name for entry in fields(SegmentEvent) if entry.type == kind.__name__)
