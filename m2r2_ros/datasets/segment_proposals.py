# SPDX-License-Identifier: Apache-2.0
"""What a robot has said while it was recorded, as proposals for whoever labels the recording."""

from __future__ import annotations

from m2r2_ros.datasets.marks import SHORTEST_NS
from m2r2_ros.datasets.recording import FAILURE, SUCCESS
from m2r2_ros.datasets.recording_labels import MODEL, Label, RecordingLabels
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary, is_label

# Segments of half an hour at least: whoever asks is interested in the last minutes.
_MOST = 4000
_OUTCOMES = {ActionOutcome.SUCCESS: SUCCESS, ActionOutcome.FAILURE: FAILURE}


class SegmentProposals:
    """The newest word on each of the last segments, of one segmenter or several in turn."""

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        """`vocabulary` is the head's."""
        self._vocabulary = vocabulary
        self._segments: dict[tuple[int, int], SegmentEvent] = {}

    def note(self, event: SegmentEvent) -> None:
        """Any event, in the order in which they came."""
        self._segments[event.segment_id, event.start_ns] = event
        if len(self._segments) > _MOST:
            del self._segments[next(iter(self._segments))]

    def labels(self, first_ns: int, last_ns: int) -> RecordingLabels:
        """Those within a recording from one stamp to another, cut to it.

        What is unknown, or lacks its object, is left open: it is no label of the vocabulary.
        """
        found: list[Label] = []
        for event in sorted(self._segments.values(), key=lambda each: each.start_ns):
            # After a step back of the clock segments lie where others did: the first one stays.
            start_ns = max(event.start_ns, found[-1].end_ns if found else first_ns)
            end_ns = min(event.end_ns, last_ns)
            if self._is_proposed(event.label) and end_ns - start_ns >= SHORTEST_NS:
                # A mean of float32 may exceed 1 by their rounding; what is no number is none.
                is_share = 0 <= event.confidence <= 1
                confidence = event.confidence if is_share else float(event.confidence > 1)
                outcome = _OUTCOMES.get(event.outcome)
                found.append(Label(start_ns, end_ns, event.label, outcome, MODEL, confidence))
        return RecordingLabels(first_ns, tuple(found), vocabulary=self._vocabulary)

    def _is_proposed(self, label: str) -> bool:
        if self._vocabulary is not None:
            return label in self._vocabulary.labels
        return label != UNKNOWN and is_label(label)
