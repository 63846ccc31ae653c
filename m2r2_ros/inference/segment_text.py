# SPDX-License-Identifier: Apache-2.0
"""What goes on now in one short line: on a camera's picture, and in RViz."""

from __future__ import annotations

from m2r2_ros.errors import printable
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus


def segment_text(event: SegmentEvent) -> str:
    """ "pour water 87 %" while it lasts, what came of it once it has ended, "" for nothing."""
    label = printable(event.label)
    if event.status == SegmentStatus.ENDED:
        said = event.outcome != ActionOutcome.UNKNOWN
        return f"{label}: {event.outcome.name.lower()}" if said else ""
    done = "" if event.progress is None else f", {_percent(event.progress)} done"
    return f"{label} {_percent(event.confidence)}{done}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
