# SPDX-License-Identifier: Apache-2.0
"""Counts of everything that arrived, was lost or was refused: nothing is dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StreamCounters:
    """One stream. Units: frames (cameras), rows (signals), input samples (audio)."""

    received: int = 0
    # Stamped before the end of a window that was already closed when they came.
    late: int = 0
    # A stamp that the stream already had, or audio that overlaps what was there.
    duplicate: int = 0
    # Stamped before an earlier arrival of the same stream; sorted in.
    out_of_order: int = 0
    # Reason -> count: nan, range, future, past, malformed, undecodable.
    rejected: Counter[str] = field(default_factory=Counter)
    # Buffer overflow.
    dropped: int = 0
    # Pictures that were made smaller on the way in.
    reduced: int = 0
    # Holes longer than the stream's age limit.
    gaps: int = 0
    # Windows that went out without this stream.
    masked: int = 0
    # Why its newest samples cannot be used, else "".
    reason: str = ""
    # What the newest window lacks of it, "" for nothing.
    absence: str = ""
    # What was done to the newest sample to make it fit, "" for nothing.
    notice: str = ""

    def reject(self, reason: str, count: int) -> None:
        """Count what was refused, if anything."""
        if count:
            self.rejected[reason] += count

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "rejected": dict(self.rejected)}


class Counters:
    """Counts since the builder was made; a reset does not clear them."""

    def __init__(self, modalities: Iterable[str]) -> None:
        self.streams = {name: StreamCounters() for name in modalities}
        self.windows = 0
        # Windows that ended without a frame of the reference camera.
        self.gap_windows = 0
        # Joint jumps of the streams' clock (bag loop, clock set), and calls of reset().
        self.resets = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form: the totals and `streams`: modality -> its counts."""
        totals = {k: v for k, v in vars(self).items() if k != "streams"}
        return {**totals, "streams": {k: v.as_dict() for k, v in self.streams.items()}}
