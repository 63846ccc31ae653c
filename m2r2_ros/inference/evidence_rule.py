# SPDX-License-Identifier: Apache-2.0
"""Believe a label once it has probably begun: a sequential decision on a forward filter.

Evidence adds up from frame to frame, against what training has shown of durations and of the order
of labels (`duration_filter.py`). A clear change is published within a frame or two, a doubtful one
when enough has been seen. The filter also says since when a label goes on: segments are back-dated
to the middle of that, but never to before what was published. Where what was open has become
improbable and nothing else is believed for `patience_s`, the segment is "unknown".
"""

from __future__ import annotations

from collections import deque

import numpy as np

from m2r2_ros.inference.choices import UNKNOWN_ID, Choices, without_object
from m2r2_ros.inference.duration_filter import MOMENTS, DurationFilter
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.segment_events import FramePrediction
from m2r2_ros.inference.stretch import Stretch, nanoseconds
from m2r2_ros.inference.tracker_config import TrackerConfig

# A head that is sure of the wrong class must not outweigh all that follows.
_LEAST = 1e-6
# The open stretch is certain up to where this much of the belief has it end.
_DOUBT = 0.05
_TINY = 1e-12
# No stamp lies before it.
_BEFORE_ALL_NS = -(2**63)


class EvidenceRule:
    """Decides by the probability that a label has begun."""

    def __init__(self, choices: Choices, procedure: Procedure) -> None:
        self._choices = choices
        self._filter = DurationFilter(procedure, choices.deeds)
        self.clear()

    def clear(self) -> None:
        """Forget the sequence."""
        self._filter.reset()
        self._boundaries: deque[tuple[int, float]] = deque(maxlen=MOMENTS)
        # Up to where the open stretch is certain.
        self._known_ns = _BEFORE_ALL_NS
        # Since when the open stretch is improbable while nothing else is believed.
        self._lost_ns: int | None = None

    def step(
        self, frame: FramePrediction, since: int, opened: Stretch | None, config: TrackerConfig
    ) -> Stretch | None:
        """What to publish in place of `opened`, or as its object; None to go on.

        The frame stands for the time from `since` to its stamp. Where `opened` goes on, the frame
        is added to it.
        """
        now = frame.stamp_ns
        evidence, boundary = _evidence(frame, since, config), config.boundary_trust * frame.boundary
        self._filter.step(now, evidence, config.procedure_prior, boundary)
        self._boundaries.append((now, frame.boundary))
        classes = self._filter.classes
        choice = self._decide(classes, frame, opened, config)
        if self._is_lost(classes, since, opened, config) and choice is None:
            choice = UNKNOWN_ID
        believed = None
        if choice is not None and (opened is None or choice != opened.choice):
            believed = self._stretch(choice, opened, config)
            if believed.start_ns > now:
                believed = None
            else:
                self._lost_ns = None
                self._note(choice)
        current = believed or opened
        if current is not None:
            current.add(self._probability(classes, current.choice))
            self._note_end(current, now)
        return believed

    def _note(self, choice: int) -> None:
        """What is published has been done, as far as it is known."""
        if self._filter.world is not None:
            self._filter.world.note(choice if choice >= 0 else None)

    def known_end(self, now: int) -> int:
        """Up to where the open stretch is certain."""
        return min(now, self._known_ns)

    def _decide(
        self,
        classes: np.ndarray,
        frame: FramePrediction,
        opened: Stretch | None,
        config: TrackerConfig,
    ) -> int | None:
        """The choice that is believed; None when there is none.

        Durations and order may confirm what is seen, but not say what is not: the activity must be
        the head's first in this very frame, and its object as sure to the head as to the filter,
        which takes the head's frames for independent of one another.
        """
        sums, seen = self._choices.sums(classes), np.nan_to_num(frame.probabilities)
        activity = int(sums.argmax())
        if sums[activity] < config.commit_level or self._choices.sums(seen).argmax() != activity:
            return None
        objects = self._choices.objects(activity)
        shares = np.minimum(_shares(classes[objects]), _shares(seen[objects]))
        best, held = int(shares.argmax()), None if opened is None else opened.choice
        limit = config.object_unknown_below if len(objects) > 1 else 0.0
        if held in objects:
            # Named once: another object is another segment, and as hard to believe.
            limit = max(limit, config.commit_level)
        if shares[best] >= limit:
            return int(objects[best])
        return held if held in objects else without_object(activity)

    def _is_lost(
        self, classes: np.ndarray, since: int, opened: Stretch | None, config: TrackerConfig
    ) -> bool:
        """Whether the open stretch has been improbable for `patience_s`."""
        choice = UNKNOWN_ID if opened is None else opened.choice
        if choice != UNKNOWN_ID and self._probability(classes, choice) >= config.unknown_below:
            self._lost_ns = None
            return False
        if self._lost_ns is None:
            self._lost_ns = since
        return self._filter.now_ns - self._lost_ns >= nanoseconds(config.patience_s)

    def _probability(self, classes: np.ndarray, choice: int) -> float:
        if choice == UNKNOWN_ID:
            return float(1.0 - self._choices.sums(classes).max())
        return float(classes[self._choices.members(choice)].sum().clip(0.0, 1.0))

    def _stretch(self, choice: int, opened: Stretch | None, config: TrackerConfig) -> Stretch:
        """From where the choice has begun, as far as that time is free."""
        start_ns = self._lost_ns
        if choice != UNKNOWN_ID:
            begun = self._filter.belief[self._choices.members(choice)].sum(0).cumsum()
            start_ns = int(self._filter.began_ns[np.searchsorted(begun, begun[-1] / 2)])
        if opened is not None and not self._choices.names_object(choice, opened.choice):
            least = opened.start_ns + nanoseconds(config.min_duration_s)
            start_ns = max(start_ns, self._known_ns, least)
        near = [boundary for end_ns, boundary in self._boundaries if end_ns >= start_ns]
        return Stretch(choice, start_ns, max(near, default=0.0))

    def _note_end(self, current: Stretch, now: int) -> None:
        """Move up to where the current stretch has surely lasted; never back."""
        belief, began_ns = self._filter.belief, self._filter.began_ns
        others = belief.sum(0) - belief[self._choices.members(current.choice)].sum(0)
        ended = np.where(began_ns > current.start_ns, others, 0.0).cumsum() > _DOUBT
        sure_ns = int(began_ns[ended.argmax()]) if ended.any() else now
        self._known_ns = max(current.start_ns, self._known_ns, sure_ns)


def _shares(values: np.ndarray) -> np.ndarray:
    return values / max(float(values.sum()), _TINY)


def _evidence(frame: FramePrediction, since: int, config: TrackerConfig) -> np.ndarray | None:
    """Log likelihood of the frame, to the power that its time is worth."""
    if not np.isfinite(frame.probabilities).all():
        return None
    looks = min(1.0, config.evidence_per_s * (frame.stamp_ns - since) / 1e9)
    return looks * np.log(frame.probabilities.clip(_LEAST, 1.0).astype(np.float64))
