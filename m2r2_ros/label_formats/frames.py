# SPDX-License-Identifier: Apache-2.0
"""Labels a frame, and the spans that runs of them are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from m2r2_ros.errors import M2R2Error
from m2r2_ros.label_formats.label_track import NS, LabelSpan, LabelTrack
from m2r2_ros.vocabulary import UNLABELLED

# An hour at 1 kHz.
MAX_FRAMES = 3_600_000


def frame_labels(track: LabelTrack, rate_hz: float, gap: str = UNLABELLED) -> list[str]:
    """The label in the middle of each frame of the recording; `gap` where none is."""
    count = round(track.last_ns() / NS * rate_hz)
    if count > MAX_FRAMES:
        raise M2R2Error(f"gives {count} frames at {rate_hz:g} Hz; the limit is {MAX_FRAMES}")
    labels = [gap] * count
    for span in track.spans:
        # The middle of frame k is (k + 0.5) / rate.
        first, last = (_first_middle(t, rate_hz) for t in (span.start_ns, span.end_ns))
        labels[max(0, first) : last] = [span.label] * (min(last, count) - max(0, first))
    return labels


def runs(labels: Sequence[str], bounds_ns: Sequence[int]) -> tuple[LabelSpan, ...]:
    """Runs of one label; frame k is [bounds_ns[k], bounds_ns[k + 1]). Unlabelled ones are none."""
    spans, first = [], 0
    for label, frames in groupby(labels):
        last = first + len(list(frames))
        if label != UNLABELLED:
            spans.append(LabelSpan(bounds_ns[first], bounds_ns[last], label))
        first = last
    return tuple(spans)


def regular_bounds(count: int, rate_hz: float) -> list[int]:
    """Where frames of a rate begin, and where the last ends [ns]."""
    return [round(k * NS / rate_hz) for k in range(count + 1)]


def _first_middle(time_ns: int, rate_hz: float) -> int:
    """The first frame whose middle is not before a time."""
    return max(0, -int(-(time_ns / NS * rate_hz - 0.5) // 1))
