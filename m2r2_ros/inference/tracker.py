# SPDX-License-Identifier: Apache-2.0
"""From a class posterior a frame to segments that a planner can act on.

A label that wins must keep winning for a while before it is believed (`confirm_s`, less where the
head sees a boundary), and longer where the head is not sure (`sure_above`, `patience_s`): an arm
sets out before one can see what for. Until a label is believed its time is not published, so
nothing is ever revised. A segment starts where the label before it stopped winning, even if a third
label won for a moment. Idle labels and "unknown" are segments as well: segments cover all the time,
a planner can tell "idle" from "no news", and `if event.action` drops both.

An activity can be seen early, its object often only when the arm is there. Where labels have
objects, a segment may therefore start without its object and be given one, once, as soon as it is
believed.

OnlineTAS (NeurIPS 2024) reports that a confidence threshold and a minimum length make usable online
segments of frame predictions, at the price of a delay.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np

from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

UNKNOWN_ID = -1
HISTORY_LENGTH = 1000
_TINY = 1e-12


def _parameter(default: float, low: float, high: float, description: str) -> Any:
    metadata = {"range": (low, high), "description": description}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrackerConfig:
    """Conditions for believing a new label. Every field carries its range and description."""

    unknown_below: float = _parameter(
        0.4,
        0.0,
        1.0,
        "An activity less probable than this, all its objects together, is 'unknown'.",
    )
    object_unknown_below: float = _parameter(
        0.5,
        0.0,
        1.0,
        "An object with less than this share of its activity's probability is left open: the "
        "activity is published without an object, which may follow.",
    )
    hysteresis: float = _parameter(
        0.1,
        0.0,
        1.0,
        "The open activity stays until another is more probable by this, or until it is this much "
        "below unknown_below; likewise the open object by its share.",
    )
    confirm_s: float = _parameter(
        0.3,
        0.0,
        60.0,
        "Seconds for which a new label must win before it is published. This is the delay.",
    )
    boundary_trust: float = _parameter(
        0.5,
        0.0,
        1.0,
        "A boundary of probability b shortens confirm_s by this times b. 0 ignores boundaries.",
    )
    sure_above: float = _parameter(
        0.0,
        0.0,
        1.0,
        "A new activity less probable than this is not believed yet, for patience_s at most.",
    )
    patience_s: float = _parameter(
        1.0,
        0.0,
        60.0,
        "Seconds from the open segment's end after which an activity need not be sure.",
    )
    min_duration_s: float = _parameter(
        0.5, 0.0, 60.0, "No segment that another one follows is shorter than these seconds."
    )
    heartbeat_s: float = _parameter(
        1.0, 0.0, 3600.0, "Seconds between ONGOING messages of an open segment."
    )

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, (low, high) = getattr(self, entry.name), entry.metadata["range"]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                raise M2R2Error(
                    f"tracker {entry.name} must be in [{low}, {high}], got {brief(value)}"
                )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrackerConfig:
        """Defaults changed by `values`. Raises M2R2Error on an unknown name or a bad value."""
        known = {entry.name for entry in fields(cls)}
        for name in values:
            if name not in known:
                raise M2R2Error(f"unknown tracker entry '{name}'{nearest_name(str(name), known)}")
        return cls(**values)


@dataclass
class _Span:
    """A stretch of one label, open or not yet believed.

    `choice` is a class id, UNKNOWN_ID, or what stands for an activity without an object.
    `start_ns` is where what was open before stopped winning, `won_ns` since when this label wins,
    `boundary` the highest boundary probability around its start, `total` the sum of the label's
    probability over the `frames` that decided for it.
    """

    choice: int
    start_ns: int
    won_ns: int
    boundary: float
    total: float = 0.0
    frames: int = 0

    def add(self, confidence: float) -> None:
        self.total += confidence
        self.frames += 1


class _Decision(NamedTuple):
    """A frame's choice, the probability of that label, and that of its activity."""

    choice: int
    label: float
    activity: float


class SegmentTracker:
    """Turns frame predictions into segment events, at a constant cost per frame.

    The frame at t_i stands for the time [t_{i-1}, t_i); the first one for no time at all.
    A segment's confidence is the mean probability of its label over the frames that decided for
    it (for "unknown": of the best label being wrong).
    """

    def __init__(
        self, vocabulary: Vocabulary, config: TrackerConfig | None = None, first_id: int = 0
    ) -> None:
        self.vocabulary, self.labels = vocabulary, vocabulary.labels
        self.config = config or TrackerConfig()
        activities = [vocabulary.coarse(label) for label in self.labels]
        # Of equal ones the first wins: idle before any action.
        self._activities = sorted(set(activities), key=lambda x: (not vocabulary.is_idle(x), x))
        # Class id -> index of its activity.
        self._activity_of = np.array([self._activities.index(name) for name in activities])
        self._next_id = first_id
        self._history: deque[SegmentEvent] = deque(maxlen=HISTORY_LENGTH)
        self._clear()

    def _clear(self) -> None:
        self._open: _Span | None = None
        self._candidate: _Span | None = None
        self._last_ns: int | None = None
        self._last_boundary = 0.0
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

    def step(self, frame: FramePrediction) -> list[SegmentEvent]:
        """Take one frame; return the events to publish, in order.

        A frame that lies before the last one closes the open segment and starts afresh.
        """
        now = frame.stamp_ns
        before = self.close(now) if self._last_ns is not None and now < self._last_ns else []
        since = now if self._last_ns is None else self._last_ns
        self._last_ns = now
        decision = self._decide(frame.probabilities)
        boundary = _unit(frame.boundary)
        sure = decision.activity >= self.config.sure_above
        if self._open is not None and decision.choice == self._open.choice:
            self._candidate = None
            self._open.add(decision.label)
        else:
            self._nominate(decision.choice, since, boundary).add(decision.label)
        self._last_boundary = boundary
        believed = self._is_confirmed(now, sure)
        return before + (self._switch(now) if believed else self._heartbeat(now))

    def close(self, stamp_ns: int) -> list[SegmentEvent]:
        """End the open segment at the last frame and forget the sequence; ids count on.

        `stamp_ns` is the stamp of the event: of the frame that breaks the sequence, or of its
        last one.
        """
        events = []
        if self._open is not None:
            events = [self._end(stamp_ns, self._last_ns)]
        self._clear()
        return events

    def _decide(self, probabilities: np.ndarray) -> _Decision:
        """A frame's choice, with hysteresis for the open one."""
        if not np.isfinite(probabilities).all():
            return _Decision(UNKNOWN_ID, 1.0, 1.0)
        posterior = probabilities.clip(0.0, 1.0)
        sums = np.bincount(self._activity_of, posterior, len(self._activities)).clip(0.0, 1.0)
        held = UNKNOWN_ID if self._open is None else self._open.choice
        activity = self._choose(sums, self._activity(held), self.config.unknown_below)
        if activity is None:
            # No activity reaches the limit: this is certain, not doubtful.
            return _Decision(UNKNOWN_ID, float(1.0 - sums.max()), 1.0)
        objects, probability = np.flatnonzero(self._activity_of == activity), float(sums[activity])
        shares = posterior[objects] / max(probability, _TINY)
        place = next(iter(np.flatnonzero(objects == held)), None)
        chosen = self._choose(shares, place, self._object_limit(objects))
        if chosen is None:
            # An object that is no longer clear does not mean another object.
            chosen = place
        if chosen is None:
            return _Decision(_without_object(activity), probability, probability)
        return _Decision(int(objects[chosen]), float(posterior[objects[chosen]]), probability)

    def _choose(self, values: np.ndarray, held: int | None, limit: float) -> int | None:
        """The largest value's index, `held` while it is close enough, None below the limit."""
        best, hysteresis = int(values.argmax()), self.config.hysteresis
        if held is not None and values[held] >= max(limit, values[best]) - hysteresis:
            return held
        return best if values[best] >= limit else None

    def _object_limit(self, objects: np.ndarray) -> float:
        """An activity with one object or none leaves nothing open."""
        return self.config.object_unknown_below if len(objects) > 1 else 0.0

    def _activity(self, choice: int) -> int | None:
        """Index of the activity of a choice; None for "unknown"."""
        if choice == UNKNOWN_ID:
            return None
        return int(self._activity_of[choice]) if choice >= 0 else _without_object(choice)

    def _nominate(self, choice: int, since: int, boundary: float) -> _Span:
        """Go on with the candidate, or make one that wins from this frame on."""
        before = self._candidate
        if before is None or before.choice != choice:
            completes, start, highest = self._names_object(choice), since, self._last_boundary
            if before is not None and not completes and not self._names_object(before.choice):
                # The open label has not won since: the next label has changed, its start stays.
                start, highest = before.start_ns, max(highest, before.boundary)
            elif self._open is not None and not completes:
                start = max(start, self._open.start_ns + _nanoseconds(self.config.min_duration_s))
            # The boundary may fire one frame before the label turns.
            self._candidate = _Span(choice, start, since, highest)
        self._candidate.boundary = max(self._candidate.boundary, boundary)
        return self._candidate

    def _names_object(self, choice: int) -> bool:
        """Whether this is the open segment's activity, with the object that it lacks."""
        if self._open is None or self._open.choice >= UNKNOWN_ID or choice < 0:
            return False
        return self._activity(choice) == self._activity(self._open.choice)

    def _is_confirmed(self, now: int, sure: bool) -> bool:
        candidate, config = self._candidate, self.config
        if candidate is None:
            return False
        trust = config.boundary_trust * candidate.boundary
        since = max(candidate.won_ns, candidate.start_ns)
        if now - since < _nanoseconds(config.confirm_s * (1.0 - trust)):
            return False
        waited = now - candidate.start_ns >= _nanoseconds(config.patience_s)
        return sure or waited or self._names_object(candidate.choice)

    def _switch(self, now: int) -> list[SegmentEvent]:
        if self._names_object(self._candidate.choice):
            return self._complete(now)
        events = []
        if self._open is not None:
            events.append(self._end(now, self._candidate.start_ns))
        self._open, self._candidate = self._candidate, None
        self._spoke_ns = now
        return [*events, self._event(SegmentStatus.STARTED, now, now)]

    def _complete(self, now: int) -> list[SegmentEvent]:
        """Give the open segment its object, for the whole of its time."""
        start_ns, boundary = self._open.start_ns, self._open.boundary
        self._open = replace(self._candidate, start_ns=start_ns, boundary=boundary)
        self._candidate, self._spoke_ns = None, now
        return [self._event(SegmentStatus.ONGOING, now, now)]

    def _heartbeat(self, now: int) -> list[SegmentEvent]:
        if self._open is None or now - self._spoke_ns < _nanoseconds(self.config.heartbeat_s):
            return []
        self._spoke_ns = now
        return [self._event(SegmentStatus.ONGOING, now, self._known_end())]

    def _known_end(self) -> int:
        """Up to where the open segment is certain; time that a candidate may get is not."""
        if self._candidate is None:
            return self._last_ns
        return min(self._last_ns, self._candidate.start_ns)

    def _label(self, choice: int) -> str:
        if choice >= 0:
            return self.labels[choice]
        return UNKNOWN if choice == UNKNOWN_ID else self._activities[_without_object(choice)]

    def _end(self, stamp_ns: int, end_ns: int) -> SegmentEvent:
        event = self._event(SegmentStatus.ENDED, stamp_ns, end_ns)
        self._history.append(event)
        self._next_id += 1
        return event

    def _event(self, status: SegmentStatus, stamp_ns: int, end_ns: int) -> SegmentEvent:
        span = self._open
        label = self._label(span.choice)
        return SegmentEvent(
            stamp_ns=stamp_ns,
            segment_id=self._next_id,
            status=status,
            label=label,
            action=self.vocabulary.action_of(label),
            object=self.vocabulary.object_of(label),
            class_id=max(span.choice, UNKNOWN_ID),
            confidence=span.total / span.frames,
            start_ns=span.start_ns,
            end_ns=end_ns,
            boundary_confidence=span.boundary,
        )


def _without_object(activity: int) -> int:
    """What stands for an activity without an object in a `_Span`, below all ids; and back."""
    return UNKNOWN_ID - 1 - activity


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _unit(value: float) -> float:
    """`value` as a float clipped to [0, 1]; NaN is 0."""
    number = float(value)
    return min(max(number, 0.0), 1.0) if number == number else 0.0
