# SPDX-License-Identifier: Apache-2.0
"""What a causal head told of outcomes and progress, beside what is true; docs/measures.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from m2r2_ros.datasets.frame_outcomes import UNJUDGED
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.vocabulary import UNLABELLED, Vocabulary

# A segment is about a true action of its activity that it overlaps by this much (IoU).
OVERLAP = 0.5


class TrueAction(NamedTuple):
    """A true action, seconds from the recording's first frame; `success` is None if unjudged."""

    label: str
    start_s: float
    end_s: float
    success: bool | None


class ToldOutcome(NamedTuple):
    """A segment that has ended, and the probability that was told for its success, if any was."""

    action: str
    start_s: float
    end_s: float
    success: float | None


class ToldProgress(NamedTuple):
    """What was known at the end of a frame of the segment that was open then."""

    time_s: float
    action: str
    start_s: float
    progress: float | None


@dataclass(frozen=True)
class ToldOutlook:
    """All that was told of one recording, in order of time."""

    outcomes: list[ToldOutcome]
    progress: list[ToldProgress]


def told_outlook(
    events: Iterable[SegmentEvent],
    opened: Sequence[SegmentEvent | None],
    stamps_ns: np.ndarray,
    first_s: float,
) -> ToldOutlook:
    """Of the events of a recording and the segment that was open at each frame's stamp.

    `first_s` is when the first frame ends, seconds from its start.
    """
    origin_ns = int(stamps_ns[0]) - round(first_s * 1e9) if len(stamps_ns) else 0

    def seconds(stamp_ns: int) -> float:
        return (int(stamp_ns) - origin_ns) / 1e9

    outcomes = [
        ToldOutcome(event.action, seconds(event.start_ns), seconds(event.end_ns), _success(event))
        for event in events
        if event.status == SegmentStatus.ENDED and event.action
    ]
    progress = [
        ToldProgress(seconds(stamp_ns), event.action, seconds(event.start_ns), event.progress)
        for stamp_ns, event in zip(stamps_ns, opened, strict=True)
        if event is not None and event.action
    ]
    return ToldOutlook(outcomes, progress)


def true_actions(
    labels: Sequence[str],
    outcomes: np.ndarray | None,
    edges_s: np.ndarray,
    vocabulary: Vocabulary,
) -> list[TrueAction]:
    """Of T frames with edges (T + 1,); one that is tried again at once, with another outcome, is
    two."""
    judged = np.full(len(labels), UNJUDGED) if outcomes is None else outcomes
    keys = list(zip(labels, judged.tolist(), strict=True))
    edges = [0, *(i for i in range(1, len(keys)) if keys[i] != keys[i - 1]), len(keys)]
    return [
        TrueAction(label, float(edges_s[start]), float(edges_s[end]), _judged(outcome))
        for start, end in pairwise(edges)
        if start < end
        for label, outcome in [keys[start]]
        if label != UNLABELLED and not vocabulary.is_idle(label)
    ]


def met(action: TrueAction, name: str, told: Iterable[ToldOutcome]) -> ToldOutcome | None:
    """The segment about a true action of the activity `name`; None where it was missed."""
    for one in told:
        both = min(one.end_s, action.end_s) - max(one.start_s, action.start_s)
        either = max(one.end_s, action.end_s) - min(one.start_s, action.start_s)
        if one.action == name and both >= OVERLAP * either:
            return one
    return None


def _success(event: SegmentEvent) -> float | None:
    if event.outcome is ActionOutcome.UNKNOWN:
        return None
    told = event.outcome_confidence
    return told if event.outcome is ActionOutcome.SUCCESS else 1.0 - told


def _judged(outcome: int) -> bool | None:
    return None if outcome == UNJUDGED else bool(outcome)
