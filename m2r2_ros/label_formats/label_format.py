# SPDX-License-Identifier: Apache-2.0
"""What a form of labels is, and what of a track it has no place for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from m2r2_ros.label_formats.label_track import NS, LabelSpan, LabelTrack

# Parts of a track that a form may have a place for.
OUTCOME, SOURCE, CONFIDENCE = "outcome", "source", "confidence"
COMPLETE, VOCABULARY, GAPS, NEIGHBOURS = "complete", "vocabulary", "gaps", "neighbours"
OF_LABELS = frozenset((OUTCOME, SOURCE, CONFIDENCE))
ALL = OF_LABELS | {COMPLETE, VOCABULARY, GAPS, NEIGHBOURS}


@dataclass(frozen=True)
class FormatOptions:
    """What a file may not say itself.

    rate_hz   frames a second, 0 where nobody says it.
    tier      the one that holds the labels, "" where there is one only.
    originals  the recordings that labels are exported of, by name.
    overwrite  whether a file that is there may be replaced.
    """

    rate_hz: float = 0.0
    tier: str = ""
    originals: Mapping[str, Path] = field(default_factory=dict)
    overwrite: bool = False


@dataclass(frozen=True)
class LabelFormat:
    """One form of labels.

    suffix  of its files; "" where it is a folder.
    shared  whether one file holds the labels of several recordings.
    holds   what it has a place for beside times and labels; GAPS: that time is unlabelled,
            NEIGHBOURS: that two labels of one name touch.
    read    the tracks in a file or folder. Raises M2R2Error that need not name the file.
    write   tracks into a new file, or into a folder; returns what else there is to say.
    tick_ns  what times are rounded to, 0 for a frame.
    from_first_message  whether zero is a bag's first message, not the first frame.
    """

    suffix: str
    shared: bool
    holds: frozenset[str]
    read: Callable[[Path, FormatOptions], list[LabelTrack]]
    write: Callable[[Path, Sequence[LabelTrack], FormatOptions], list[str]]
    tick_ns: int = 1
    from_first_message: bool = False

    def losses(self, track: LabelTrack, options: FormatOptions) -> list[str]:
        """What of a track it has no place for, a few words each."""
        lost = [
            _count(count, what)
            for part, count, what in (
                (SOURCE, track.proposals, "proposal of a model"),
                (OUTCOME, sum(s.outcome is not None for s in track.spans), "outcome"),
                (CONFIDENCE, sum(s.confidence != 1 for s in track.spans), "confidence"),
                (NEIGHBOURS, _neighbours(track), "label that touches another of its name"),
            )
            if count and part not in self.holds
        ]
        if track.complete and COMPLETE not in self.holds:
            lost.append("that nothing is done where no label is")
        if not track.complete and GAPS not in self.holds and _has_gaps(track):
            lost.append("that some of the time is unlabelled")
        if track.vocabulary is not None and VOCABULARY not in self.holds:
            lost.append("what the labels mean")
        tick_ns = self.tick_ns or NS / options.rate_hz
        if rounded := sum(_is_rounded(t, tick_ns) for s in track.spans for t in _bounds(s)):
            unit = f"{tick_ns / 1e6:g} ms" if self.tick_ns else "a frame"
            lost.append(f"{_count(rounded, 'time')} finer than {unit}")
        return lost


def _bounds(span: LabelSpan) -> tuple[int, int]:
    return span.start_ns, span.end_ns


def _is_rounded(time_ns: int, tick_ns: float) -> bool:
    return abs(time_ns - round(time_ns / tick_ns) * tick_ns) >= 1


def _neighbours(track: LabelTrack) -> int:
    return sum(a.label == b.label and a.end_ns == b.start_ns for a, b in pairwise(track.spans))


def _has_gaps(track: LabelTrack) -> bool:
    reached = 0
    for span in track.spans:
        if span.start_ns > reached:
            return True
        reached = span.end_ns
    return track.end_ns > reached


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"
