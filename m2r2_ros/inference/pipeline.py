# SPDX-License-Identifier: Apache-2.0
"""The online chain after sensing. Nodes and commands drive these same objects."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent
from m2r2_ros.inference.tracker import SegmentTracker
from m2r2_ros.sensing.window import SensorWindow

# Windows come at the nominal rate even while a camera stalls, so a hole this long is a jump in
# time. Shorter ones are windows that were skipped under load.
MAX_GAP_NS = 1_000_000_000


class SegmentSequence:
    """Features in, frame predictions and segment events out: head and tracker as one sequence.

    A new sequence starts, by itself, when the index does not count up, when the time does not
    advance, and after a hole of more than `MAX_GAP_NS`.
    """

    def __init__(self, head: StreamingHead, tracker: SegmentTracker) -> None:
        self.head = head
        self.tracker = tracker
        self._last: tuple[int, int] | None = None
        # Events of a reset, kept because the feature after it was refused.
        self._due: list[SegmentEvent] = []
        # Index and stamp of the last frames; the head's answer is about the first of them.
        self._frames: deque[tuple[int, int]] = deque(maxlen=head.metadata.look_ahead + 1)
        self._feature: np.ndarray | None = None
        head.reset()

    def process(
        self, index: int, stamp_ns: int, feature: np.ndarray
    ) -> tuple[FramePrediction, list[SegmentEvent]]:
        """Take the feature, float32 (D,), of window `index`, which ends at `stamp_ns`.

        Returns the prediction and the events to publish, in order: `predict`, then `track`.
        """
        prediction = self.predict(index, stamp_ns, feature)
        return prediction, self.track(prediction, stamp_ns)

    def predict(self, index: int, stamp_ns: int, feature: np.ndarray) -> FramePrediction:
        """The head's part of `process`, which `track` has to follow.

        The prediction is about this frame; of a head with look-ahead about an earlier one, whose
        index and stamp it has. Raises M2R2Error as `StreamingHead.step` does; the frame is then
        left out and the next one goes on.
        """
        if self._last is not None and not self._continues(index, stamp_ns):
            self._due = self.reset(stamp_ns)
        self._last = (index, stamp_ns)
        answer = self.head.step(feature)
        self._frames.append((index, stamp_ns))
        self._feature = feature
        return self._predicted(answer)

    def track(self, prediction: FramePrediction, stamp_ns: int) -> list[SegmentEvent]:
        """The events that a prediction causes, stamped with the frame that was taken for it."""
        events, self._due = self._due + self._caused(prediction, stamp_ns), []
        return events

    def drain(self, stamp_ns: int) -> tuple[list[FramePrediction], list[SegmentEvent]]:
        """The answers that a head with look-ahead still owes at the end of a sequence.

        They come as if the last frame went on; `reset` asks for them by itself. The events are
        stamped `stamp_ns`.
        """
        predictions, events = [], []
        for _ in range(self.head.metadata.look_ahead if self._frames else 0):
            try:
                answer = self.head.step(self._feature)
            except M2R2Error:
                # It has started anew and owes nothing: the segment ends where its answers do.
                break
            self._frames.append(self._frames[-1])
            predictions.append(self._predicted(answer))
            events += self._caused(predictions[-1], stamp_ns)
        self._frames.clear()
        return predictions, events

    def reset(self, stamp_ns: int) -> list[SegmentEvent]:
        """Start a new sequence; returns the ENDED event, stamped `stamp_ns`, of an open segment."""
        events = self._due + self.drain(stamp_ns)[1] + self.tracker.close(stamp_ns)
        self._last, self._due = None, []
        self.head.reset()
        return events

    def close(self) -> list[SegmentEvent]:
        """End the sequence at its last frame: the end of a recording, or a shutdown."""
        return self.reset(self._last[1]) if self._last is not None else []

    def _predicted(self, answer: tuple[np.ndarray, float]) -> FramePrediction:
        """Stamped with the frame that it is of."""
        return FramePrediction(*self._frames[0], *answer, *self.head.outlook)

    def _caused(self, prediction: FramePrediction, stamp_ns: int) -> list[SegmentEvent]:
        """Stamped with the frame that caused them."""
        return [replace(each, stamp_ns=stamp_ns) for each in self.tracker.step(prediction)]

    def _continues(self, index: int, stamp_ns: int) -> bool:
        last_index, last_ns = self._last
        return index > last_index and 0 < stamp_ns - last_ns <= MAX_GAP_NS


class SegmentationPipeline:
    """Windows in, features and segments out: encoder, head and tracker."""

    def __init__(self, encoder: Encoder, head: StreamingHead, tracker: SegmentTracker) -> None:
        """Raises M2R2Error when the head belongs to another encoder."""
        head.check_encoder(encoder)
        self.encoder = encoder
        self.segmenter = SegmentSequence(head, tracker)

    def process(
        self, window: SensorWindow
    ) -> tuple[np.ndarray, FramePrediction, list[SegmentEvent]]:
        """The feature, float32 (D,), the prediction and the events of one window."""
        feature = self.encoder(window)
        prediction, events = self.segmenter.process(window.index, window.end_ns, feature)
        return feature, prediction, events

    def close(self) -> list[SegmentEvent]:
        """End the open segment at the last window."""
        return self.segmenter.close()
