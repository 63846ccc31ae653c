# SPDX-License-Identifier: Apache-2.0
"""From a class posterior a frame to segments that a planner can act on.

A label that wins must keep winning for a while before it is believed (`confirm_s`, less where the
head sees a boundary). Until then the time belongs to nobody that was published, so nothing ever
has to be taken back. "No action" and "unknown" are segments as well: the segments then cover all
the time, a planner can tell "idle" from "no news", and `if event.action` drops both.

OnlineTAS (NeurIPS 2024) reports that a confidence threshold and a minimum length are what turns
frame predictions into usable online segments, at the price of a delay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.inference.segments import UNKNOWN, FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.labels import split_label

UNKNOWN_ID = -1
HISTORY_LENGTH = 1000


def _parameter(default: float, low: float, high: float, description: str) -> Any:
    metadata = {"range": (low, high), "description": description}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrackerConfig:
    """What it takes to believe a new label. Every field has its range and description with it."""

    unknown_below: float = _parameter(
        0.4, 0.0, 1.0, "A label less probable than this is 'unknown'."
    )
    hysteresis: float = _parameter(
        0.1,
        0.0,
        1.0,
        "The open label stays until another is more probable by this, or until it is this much "
        "below unknown_below.",
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
                raise M2R2Error(f"tracker {entry.name} must be in [{low}, {high}], got {value!r}")

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

    `boundary` is the highest boundary probability around its start, `total` the sum of the
    label's probability over the `frames` that decided for it.
    """

    class_id: int
    start_ns: int
    boundary: float
    total: float = 0.0
    frames: int = 0

    def add(self, confidence: float) -> None:
        self.total += confidence
        self.frames += 1


class SegmentTracker:
    """Turns frame predictions into segment events, at a constant cost per frame.

    The frame at t_i stands for the time [t_{i-1}, t_i); the first one for no time at all.
    A segment's confidence is the mean probability of its label over the frames that decided for
    it (for "unknown": of the best label being wrong).
    """

    def __init__(self, labels: Sequence[str], config: TrackerConfig | None = None) -> None:
        self.labels = tuple(labels)
        self.config = config or TrackerConfig()
        self._next_id = 0
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
        class_id, confidence = self._decide(frame.probabilities)
        boundary = _unit(frame.boundary)
        if self._open is not None and class_id == self._open.class_id:
            self._candidate = None
            self._open.add(confidence)
        else:
            self._nominate(class_id, since, boundary).add(confidence)
        self._last_boundary = boundary
        return before + (self._switch(now) if self._is_confirmed(now) else self._heartbeat(now))

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

    def _decide(self, probabilities: np.ndarray) -> tuple[int, float]:
        """The frame's label with hysteresis for the open one, and its confidence."""
        if not np.isfinite(probabilities).all():
            return UNKNOWN_ID, 1.0
        best = int(probabilities.argmax())
        top, config = _unit(probabilities[best]), self.config
        if self._open is not None and self._open.class_id != UNKNOWN_ID:
            held = _unit(probabilities[self._open.class_id])
            if held >= config.unknown_below - config.hysteresis and top - held <= config.hysteresis:
                return self._open.class_id, held
        return (best, top) if top >= config.unknown_below else (UNKNOWN_ID, 1.0 - top)

    def _nominate(self, class_id: int, since: int, boundary: float) -> _Span:
        """Go on with the candidate, or make one that starts with this frame."""
        if self._candidate is None or self._candidate.class_id != class_id:
            start = since
            if self._open is not None:
                start = max(start, self._open.start_ns + _nanoseconds(self.config.min_duration_s))
            # The boundary may fire one frame before the label turns.
            self._candidate = _Span(class_id, start, self._last_boundary)
        self._candidate.boundary = max(self._candidate.boundary, boundary)
        return self._candidate

    def _is_confirmed(self, now: int) -> bool:
        if self._candidate is None:
            return False
        trust = self.config.boundary_trust * self._candidate.boundary
        needed = _nanoseconds(self.config.confirm_s * (1.0 - trust))
        return now - self._candidate.start_ns >= needed

    def _switch(self, now: int) -> list[SegmentEvent]:
        events = []
        if self._open is not None:
            events.append(self._end(now, self._candidate.start_ns))
        self._open, self._candidate = self._candidate, None
        self._spoke_ns = now
        return [*events, self._event(SegmentStatus.STARTED, now, now)]

    def _heartbeat(self, now: int) -> list[SegmentEvent]:
        if self._open is None or now - self._spoke_ns < _nanoseconds(self.config.heartbeat_s):
            return []
        self._spoke_ns = now
        return [self._event(SegmentStatus.ONGOING, now, self._known_end())]

    def _known_end(self) -> int:
        """Up to where the open segment is certain: what a candidate may get is not."""
        if self._candidate is None:
            return self._last_ns
        return min(self._last_ns, self._candidate.start_ns)

    def _end(self, stamp_ns: int, end_ns: int) -> SegmentEvent:
        event = self._event(SegmentStatus.ENDED, stamp_ns, end_ns)
        self._history.append(event)
        self._next_id += 1
        return event

    def _event(self, status: SegmentStatus, stamp_ns: int, end_ns: int) -> SegmentEvent:
        span = self._open
        known = span.class_id != UNKNOWN_ID
        label = self.labels[span.class_id] if known else UNKNOWN
        action, name = split_label(label) if known else ("", "")
        return SegmentEvent(
            stamp_ns=stamp_ns,
            segment_id=self._next_id,
            status=status,
            label=label,
            action=action.lower(),
            object=name,
            class_id=span.class_id,
            confidence=span.total / span.frames,
            start_ns=span.start_ns,
            end_ns=end_ns,
            boundary_confidence=span.boundary,
        )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _unit(value: float) -> float:
    """`value` as a float clipped to [0, 1]; NaN is 0."""
    number = float(value)
    return min(max(number, 0.0), 1.0) if number == number else 0.0
