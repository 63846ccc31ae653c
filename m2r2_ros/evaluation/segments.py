# SPDX-License-Identifier: Apache-2.0
"""Segments in seconds: from labels and from messages, and as frame labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from m2r2_ros.datasets.recording import Action
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.labels import label_from_text


class Segment(NamedTuple):
    """One label over `[start_s, end_s)`, seconds from the recording's first frame."""

    label: str
    start_s: float
    end_s: float


def segments_from_actions(actions: Iterable[Action]) -> list[Segment]:
    """A recording's ground truth."""
    return [Segment(label_from_text(a.text), a.start_s, a.end_s) for a in actions]


def segments_from_events(events: Iterable[SegmentEvent], origin_ns: int) -> list[Segment]:
    """The segments that ended, in seconds from `origin_ns`."""
    return [
        Segment(event.label, (event.start_ns - origin_ns) / 1e9, (event.end_ns - origin_ns) / 1e9)
        for event in events
        if event.status == SegmentStatus.ENDED
    ]


def decisions_from_events(events: Iterable[SegmentEvent], origin_ns: int) -> list[Segment]:
    """What a planner believed and when: from each STARTED message to its ENDED one, in two parts
    where the object came later."""
    decisions: list[Segment] = []
    believed: dict[int, tuple[str, int]] = {}
    for event in events:
        known = believed.get(event.segment_id)
        ends = event.status == SegmentStatus.ENDED
        if known and (ends or event.label != known[0]):
            label, since_ns = believed.pop(event.segment_id)
            bounds = (since_ns, event.stamp_ns)
            decisions.append(Segment(label, *((ns - origin_ns) / 1e9 for ns in bounds)))
        if event.status == SegmentStatus.STARTED or (known and not ends):
            believed.setdefault(event.segment_id, (event.label, event.stamp_ns))
    return decisions


def frame_labels(
    segments: Iterable[Segment], duration_s: float, gap: str, rate_hz: float
) -> list[str]:
    """The label in the middle of each frame of `[0, duration_s)`; `gap` where none stands.

    Where segments overlap, the later one in the list wins.
    """
    middles = (np.arange(round(duration_s * rate_hz)) + 0.5) / rate_hz
    labels = [gap] * len(middles)
    for label, start_s, end_s in segments:
        first, last = np.searchsorted(middles, (start_s, end_s))
        labels[first:last] = [label] * (last - first)
    return labels
