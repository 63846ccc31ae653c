# SPDX-License-Identifier: Apache-2.0
"""Believe a label that has won for long enough: the rule for heads that know no procedure.

A label that wins must keep winning for a while (`confirm_s`, less where the head sees a boundary),
and longer where the head is not sure (`sure_above`, `patience_s`): an arm sets out before one can
see what for. A segment starts where the label before it stopped winning, even if a third label won
for a moment.

OnlineTAS (NeurIPS 2024) reports that a confidence threshold and a minimum length make usable online
segments of frame predictions, at the price of a delay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from m2r2_ros.inference.choices import UNKNOWN_ID, Choices, without_object
from m2r2_ros.inference.segment_events import FramePrediction
from m2r2_ros.inference.stretch import Stretch, nanoseconds
from m2r2_ros.inference.tracker_config import TrackerConfig

_TINY = 1e-12


@dataclass
class _Candidate(Stretch):
    """A stretch that is not yet believed: it starts where what was open before stopped winning."""

    # Since when its own label wins.
    won_ns: int = 0


class _Decision(NamedTuple):
    """A frame's choice, the probability of that label, and that of its activity."""

    choice: int
    label: float
    activity: float


class WaitingRule:
    """Decides by the time for which a label has won."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self.clear()

    def clear(self) -> None:
        """Forget the sequence."""
        self._candidate: _Candidate | None = None
        self._last_boundary = 0.0

    def step(
        self, frame: FramePrediction, since: int, opened: Stretch | None, config: TrackerConfig
    ) -> Stretch | None:
        """What to publish in place of `opened`, or as its object; None to go on.

        The frame stands for the time from `since` to its stamp. Where `opened` goes on, the frame
        is added to it.
        """
        decision = self._decide(frame.probabilities, opened, config)
        sure = decision.activity >= config.sure_above
        if opened is not None and decision.choice == opened.choice:
            self._candidate = None
            opened.add(decision.label)
        else:
            self._nominate(decision.choice, since, frame.boundary, opened, config)
            self._candidate.add(decision.label)
        self._last_boundary = frame.boundary
        if not self._is_confirmed(frame.stamp_ns, sure, opened, config):
            return None
        believed, self._candidate = self._candidate, None
        return believed

    def known_end(self, now: int) -> int:
        """Up to where the open stretch is certain; time that a candidate may get is not."""
        return now if self._candidate is None else min(now, self._candidate.start_ns)

    def _decide(
        self, probabilities: np.ndarray, opened: Stretch | None, config: TrackerConfig
    ) -> _Decision:
        """A frame's choice, with hysteresis for the open one."""
        if not np.isfinite(probabilities).all():
            return _Decision(UNKNOWN_ID, 1.0, 1.0)
        posterior = probabilities.clip(0.0, 1.0)
        sums = self._choices.sums(posterior)
        held = UNKNOWN_ID if opened is None else opened.choice
        limit, hysteresis = config.unknown_below, config.hysteresis
        activity = _choose(sums, self._choices.activity(held), limit, hysteresis)
        if activity is None:
            # No activity reaches the limit: this is certain, not doubtful.
            return _Decision(UNKNOWN_ID, float(1.0 - sums.max()), 1.0)
        objects, probability = self._choices.objects(activity), float(sums[activity])
        shares = posterior[objects] / max(probability, _TINY)
        place = next(iter(np.flatnonzero(objects == held)), None)
        # An activity with one object or none leaves nothing open.
        least = config.object_unknown_below if len(objects) > 1 else 0.0
        chosen = _choose(shares, place, least, hysteresis)
        if chosen is None:
            # An object that is no longer clear does not mean another object.
            chosen = place
        if chosen is None:
            return _Decision(without_object(activity), probability, probability)
        return _Decision(int(objects[chosen]), float(posterior[objects[chosen]]), probability)

    def _nominate(
        self,
        choice: int,
        since: int,
        boundary: float,
        opened: Stretch | None,
        config: TrackerConfig,
    ) -> None:
        """Go on with the candidate, or make one that wins from this frame on."""
        before = self._candidate
        if before is None or before.choice != choice:
            completes, start, highest = self._completes(choice, opened), since, self._last_boundary
            if before is not None and not completes and not self._completes(before.choice, opened):
                # The open label has not won since: the next label has changed, its start stays.
                start, highest = before.start_ns, max(highest, before.boundary)
            elif opened is not None and not completes:
                start = max(start, opened.start_ns + nanoseconds(config.min_duration_s))
            # The boundary may fire one frame before the label turns.
            self._candidate = _Candidate(choice, start, highest, won_ns=since)
        self._candidate.boundary = max(self._candidate.boundary, boundary)

    def _completes(self, choice: int, opened: Stretch | None) -> bool:
        return opened is not None and self._choices.names_object(choice, opened.choice)

    def _is_confirmed(
        self, now: int, sure: bool, opened: Stretch | None, config: TrackerConfig
    ) -> bool:
        candidate = self._candidate
        if candidate is None:
            return False
        trust = config.boundary_trust * candidate.boundary
        since = max(candidate.won_ns, candidate.start_ns)
        if now - since < nanoseconds(config.confirm_s * (1.0 - trust)):
            return False
        waited = now - candidate.start_ns >= nanoseconds(config.patience_s)
        return sure or waited or self._completes(candidate.choice, opened)


def _choose(values: np.ndarray, held: int | None, limit: float, hysteresis: float) -> int | None:
    """The largest value's index, `held` while it is close enough, None below the limit."""
    best = int(values.argmax())
    if held is not None and values[held] >= max(limit, values[best]) - hysteresis:
        return held
    return best if values[best] >= limit else None
