# SPDX-License-Identifier: Apache-2.0
"""From a class posterior a frame to segments that a planner can act on.

A rule decides when a label is believed: of a head that knows how long and in which order its
labels come, by the evidence (`evidence_rule.py`), else by the time for which it has won
(`waiting_rule.py`). Until then its time is not published, so nothing is ever revised. Idle labels
and "unknown" are segments as well: segments cover all the time, a planner can tell "idle" from "no
news", and `if event.action` drops both.

An activity can be seen early, its object often only when the arm is there. Where labels have
objects, a segment may therefore start without its object and be given one, once, as soon as it is
believed. One that still lacks it at its end is given the one that its last frames make most
probable: what was done is then better guessed than left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from m2r2_ros.inference.choices import UNKNOWN_ID, Choices
from m2r2_ros.inference.evidence_rule import EvidenceRule
from m2r2_ros.inference.outcome import outcome_of, success_of
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.recent_frames import RecentFrames
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.inference.stretch import Stretch, nanoseconds
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.inference.waiting_rule import WaitingRule
from m2r2_ros.vocabulary import Vocabulary

HISTORY_LENGTH = 1000


class SegmentTracker:
    """Turns frame predictions into segment events, at a constant cost per frame.

    The frame at t_i stands for the time [t_{i-1}, t_i); the first one for no time at all.
    A segment's confidence is the mean probability of its label over the frames that decided for
    it (for "unknown": of the best label being wrong).
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        config: TrackerConfig | None = None,
        first_id: int = 0,
        procedure: Procedure | None = None,
    ) -> None:
        """`procedure`: what the head knows of it; without it a label has to win for a while."""
        self.vocabulary, self.labels = vocabulary, vocabulary.labels
        self.config = config or TrackerConfig()
        self._choices = Choices(vocabulary)
        self._rule: EvidenceRule | WaitingRule = WaitingRule(self._choices)
        if procedure is not None:
            self._rule = EvidenceRule(self._choices, procedure)
        self._recent = RecentFrames()
        self._next_id = first_id
        self._history: deque[SegmentEvent] = deque(maxlen=HISTORY_LENGTH)
        self._clear()

    def _clear(self) -> None:
        self._rule.clear()
        self._recent.clear()
        self._open: Stretch | None = None
        self._last_ns: int | None = None
        self._spoke_ns = 0

    @property
    def current(self) -> SegmentEvent | None:
        """The open segment as of the last frame (ONGOING), or None."""
        if self._open is None:
            return None
        return self._event(SegmentStatus.ONGOING, self._last_ns, self._known_end())

    @property
    def history(self) -> list[SegmentEvent]:
        """The last `HISTORY_LENGTH` segments that ended, oldest first."""
        return list(self._history)

    @property
    def next_id(self) -> int:
        """The id of the open segment, or of the one that comes next."""
        return self._next_id

    def remember(self, segments: Iterable[SegmentEvent]) -> None:
        """Begin with a history of segments that another tracker has ended."""
        self._history.extend(segments)

    def step(self, frame: FramePrediction) -> list[SegmentEvent]:
        """Take one frame; return the events to publish, in order.

        A frame that lies before the last one closes the open segment and starts afresh.
        """
        now = frame.stamp_ns
        before = self.close(now) if self._last_ns is not None and now < self._last_ns else []
        since = now if self._last_ns is None else self._last_ns
        self._last_ns = now
        frame = replace(frame, boundary=_unit(frame.boundary))
        self._recent.add(frame, self._rule.known_end(since))
        believed = self._rule.step(frame, since, self._open, self.config)
        return before + (self._heartbeat(now) if believed is None else self._switch(now, believed))

    def close(self, stamp_ns: int) -> list[SegmentEvent]:
        """End the open segment at the last frame and forget the sequence; ids count on.

        `stamp_ns` is the stamp of the event: of the frame that breaks the sequence, or of its
        last one.
        """
        events = []
        if self._open is not None:
            # Cut off, not ended: nothing has come of the action yet.
            events = [self._end(stamp_ns, self._last_ns, is_over=False)]
        self._clear()
        return events

    def _switch(self, now: int, believed: Stretch) -> list[SegmentEvent]:
        self._spoke_ns = now
        opened = self._open
        if opened is not None and self._choices.names_object(believed.choice, opened.choice):
            # For the whole of its time.
            self._open = replace(believed, start_ns=opened.start_ns, boundary=opened.boundary)
            return [self._event(SegmentStatus.ONGOING, now, self._known_end())]
        events = [] if opened is None else self._finish(now, believed.start_ns)
        self._open = believed
        return [*events, self._event(SegmentStatus.STARTED, now, self._known_end())]

    def _heartbeat(self, now: int) -> list[SegmentEvent]:
        if self._open is None or now - self._spoke_ns < nanoseconds(self.config.heartbeat_s):
            return []
        self._spoke_ns = now
        return [self._event(SegmentStatus.ONGOING, now, self._known_end())]

    def _known_end(self) -> int:
        return self._rule.known_end(self._last_ns)

    def _finish(self, now: int, end_ns: int) -> list[SegmentEvent]:
        """The end of the open segment, which is over, and before it the object that it lacked."""
        named = self._choices.most_probable_object(
            self._open.choice,
            [f.probabilities for f in self._recent.ending(self._open.start_ns, end_ns)],
            self.config.unknown_below,
        )
        events = []
        if named is not None:
            choice, confidence = named
            self._open = replace(self._open, choice=choice, total=confidence, frames=1)
            events.append(self._event(SegmentStatus.ONGOING, now, end_ns))
        return [*events, self._end(now, end_ns)]

    def _end(self, stamp_ns: int, end_ns: int, is_over: bool = True) -> SegmentEvent:
        event = self._event(SegmentStatus.ENDED, stamp_ns, end_ns)
        if is_over and event.action:
            frames = self._recent.around(event.start_ns, end_ns)
            # Of one whose object is not certain, any class of its activity.
            class_id = int(self._choices.members(self._open.choice)[0])
            success = success_of(frames, end_ns, class_id)
            outcome, confidence = outcome_of(success, self.config.outcome_unknown_below)
            event = replace(event, outcome=outcome, outcome_confidence=confidence)
        self._history.append(event)
        self._next_id += 1
        return event

    def _event(self, status: SegmentStatus, stamp_ns: int, end_ns: int) -> SegmentEvent:
        stretch = self._open
        label = self._choices.label(stretch.choice)
        action = self.vocabulary.action_of(label)
        frame = self._recent.at(end_ns) if action else None
        return SegmentEvent(
            stamp_ns=stamp_ns,
            segment_id=self._next_id,
            status=status,
            label=label,
            action=action,
            object=self.vocabulary.object_of(label),
            class_id=max(stretch.choice, UNKNOWN_ID),
            confidence=stretch.total / stretch.frames,
            start_ns=stretch.start_ns,
            end_ns=end_ns,
            boundary_confidence=stretch.boundary,
            progress=None if frame is None else frame.progress,
        )


def _unit(value: float) -> float:
    """`value` as a float clipped to [0, 1]; NaN is 0."""
    number = float(value)
    return min(max(number, 0.0), 1.0) if number == number else 0.0
