# SPDX-License-Identifier: Apache-2.0
"""What a stream of a recording delivered: how much, how fast, how long, with what holes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

# Longer than this many usual intervals: samples were lost.
_GAP_INTERVALS = 3.0
# Gaps in the JSON form; the rest is counted.
_MOST_GAPS = 50


class Gap(NamedTuple):
    """No sample for `length_s` after the one at `start_s`."""

    start_s: float
    length_s: float


@dataclass(frozen=True)
class StreamSummary:
    """Times in seconds from the recording's first frame.

    rate_hz       samples a second while the stream delivers (from the median interval).
    gaps          every pause of more than three usual intervals; in audio, every hole.
    out_of_order  samples that are not newer than the one before.
    unusable      samples that are NaN, inf, out of range or cannot be decoded.
    clipped       samples of sound at full scale.
    """

    samples: int
    rate_hz: float
    first_s: float
    last_s: float
    gaps: tuple[Gap, ...] = ()
    out_of_order: int = 0
    unusable: int = 0
    clipped: int = 0

    @property
    def longest_gap(self) -> Gap:
        """The longest gap, of length 0 when there is none."""
        return max(self.gaps, key=lambda gap: gap.length_s, default=Gap(self.first_s, 0.0))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; of very many gaps the first ones."""
        gaps = {
            "count": len(self.gaps),
            "longest_s": self.longest_gap.length_s,
            "total_s": sum(gap.length_s for gap in self.gaps),
            "first": [gap._asdict() for gap in self.gaps[:_MOST_GAPS]],
        }
        return {"present": True, **asdict(self), "gaps": gaps}


def summarise_samples(times_s: np.ndarray, unusable: int = 0) -> StreamSummary:
    """Summarise a stream with samples at `times_s` (N,), N > 0, as they came."""
    out_of_order = int((np.diff(times_s) <= 0).sum())
    times_s = np.unique(times_s)
    intervals = np.diff(times_s)
    usual_s = float(np.median(intervals)) if len(intervals) else np.inf
    return StreamSummary(
        samples=len(times_s) + out_of_order,
        rate_hz=1 / usual_s,
        first_s=float(times_s[0]),
        last_s=float(times_s[-1]),
        gaps=_gaps(times_s[:-1], intervals, _GAP_INTERVALS * usual_s),
        out_of_order=out_of_order,
        unusable=unusable,
    )


def summarise_chunks(
    starts_s: np.ndarray,
    lengths: np.ndarray,
    rate_hz: float,
    max_gap_s: float,
    unusable: int = 0,
    clipped: int = 0,
) -> StreamSummary:
    """Summarise audio in chunks that start at `starts_s` (N,), N > 0, with `lengths` samples (N,).

    A hole of more than `max_gap_s` between two chunks is a gap.
    """
    ends_s = starts_s + lengths / rate_hz
    return StreamSummary(
        samples=int(lengths.sum()),
        rate_hz=float(rate_hz),
        first_s=float(starts_s.min()),
        last_s=float(ends_s.max()),
        gaps=_gaps(ends_s[:-1], starts_s[1:] - ends_s[:-1], max_gap_s),
        out_of_order=int((np.diff(starts_s) <= 0).sum()),
        unusable=unusable,
        clipped=clipped,
    )


def _gaps(starts_s: np.ndarray, lengths_s: np.ndarray, longer_than_s: float) -> tuple[Gap, ...]:
    found = np.flatnonzero(lengths_s > longer_than_s)
    return tuple(Gap(float(starts_s[i]), float(lengths_s[i])) for i in found)
