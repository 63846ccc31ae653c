# SPDX-License-Identifier: Apache-2.0
"""What all forms of labels have in common: spans of time with a label, of one recording."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from m2r2_ros.datasets.annotations import MAX_ACTIONS
from m2r2_ros.datasets.recording_labels import (
    MODEL,
    Label,
    LabelSpan,
    RecordingLabels,
    in_order,
)
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import NO_CLASS, label_from_text
from m2r2_ros.vocabulary import Vocabulary

NS = 10**9
# Times of other tools are rounded: labels that touch may overlap by this much.
_ROUNDING_NS = 1_000_000


@dataclass(frozen=True)
class LabelTrack:
    """The labels of one recording, in order of time.

    name      of the recording, "" where a file does not say it.
    epoch_ns  the stamp of its zero, None where a file does not say it.
    end_ns    where the recording ends, from the zero on, as far as it is known; else 0.
    complete, vocabulary  as of `RecordingLabels`.
    problems  what was found in a file and has no place here, a line each.
    """

    name: str
    spans: tuple[LabelSpan, ...]
    epoch_ns: int | None = None
    end_ns: int = 0
    complete: bool = False
    vocabulary: Vocabulary | None = None
    problems: tuple[str, ...] = ()

    @property
    def proposals(self) -> int:
        """How many of them a model proposes."""
        return sum(span.source == MODEL for span in self.spans)

    def confirmed(self) -> LabelTrack:
        """The same without what a model proposes."""
        spans = tuple(span for span in self.spans if span.source != MODEL)
        return replace(self, spans=spans, complete=self.complete and not self.proposals)

    def last_ns(self) -> int:
        """The end of the recording, or of the last label where that is later."""
        return max([self.end_ns, *(span.end_ns for span in self.spans)])


def track_of(name: str, labels: RecordingLabels, end_ns: int = 0) -> LabelTrack:
    """Labels from their epoch on, of a recording that ends at the stamp `end_ns`, if one knows."""
    epoch_ns = labels.epoch_ns
    spans = tuple(label.moved(-epoch_ns) for label in labels.labels)
    return LabelTrack(
        name, spans, epoch_ns, max(0, end_ns - epoch_ns), labels.complete, labels.vocabulary
    )


def labels_of(track: LabelTrack, zero_ns: int) -> tuple[RecordingLabels, list[str]]:
    """Labels whose zero is a stamp, and what of the track has no place in them, a line each.

    Raises M2R2Error on what cannot be labels: no length, an overlap, a text that is no label.
    """
    if len(track.spans) > MAX_ACTIONS:
        raise M2R2Error(f"has {len(track.spans)} labels; the limit is {MAX_ACTIONS}")
    named = [replace(span, label=label_from_text(span.label)) for span in track.spans]
    kept = [span for span in named if span.label not in NO_CLASS]
    problems = list(track.problems)
    if left := len(named) - len(kept):
        problems.append(f"{left} labels that say nothing, or 'unknown', are left out")
    kept.sort(key=lambda span: (span.start_ns, span.end_ns))
    trimmed, cut = _trimmed(kept)
    if cut:
        problems.append(f"{cut} labels end up to 1 ms after the next begins: they end there")
    placed = in_order(_placed(span, zero_ns) for span in trimmed)
    return RecordingLabels(zero_ns, placed, track.complete, track.vocabulary), problems


def _trimmed(spans: list[LabelSpan]) -> tuple[list[LabelSpan], int]:
    """Without overlaps by rounding, and how many there were. Raises M2R2Error on others."""
    trimmed, cut = [], 0
    for span, following in pairwise([*spans, None]):
        if following is not None and span.end_ns > following.start_ns:
            is_rounding = span.end_ns - following.start_ns <= _ROUNDING_NS
            if not is_rounding or following.start_ns <= span.start_ns:
                raise M2R2Error(f"{span} and {following} overlap: a time has one label")
            span, cut = replace(span, end_ns=following.start_ns), cut + 1
        trimmed.append(span)
    return trimmed, cut


def _placed(span: LabelSpan, zero_ns: int) -> Label:
    if span.end_ns <= span.start_ns:
        raise M2R2Error(f"{span} has no length: give it an end, or remove it")
    try:
        return Label(**vars(span.moved(zero_ns)))
    except M2R2Error as error:
        raise M2R2Error(f"{span}: {error}") from error
