# SPDX-License-Identifier: Apache-2.0
"""What an operator does around the moves: how often it errs, tries again, pauses, and what next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from m2r2_ros.simulation.difficulties import MOTION
from m2r2_ros.simulation.people import parameters_of, person_of
from m2r2_ros.simulation.recording_settings import RecordingSettings


@dataclass(frozen=True)
class Habits:
    """The defaults are an adept's, who errs in some first attempts alone (see faults.py)."""

    tries: int = 2
    # The part of attempts to pick and insert in which a beginner errs, the last one apart.
    beginner: float = 0.0
    # A factor to the shares of people's attempts that fail; 0: it is an adept or a beginner.
    errs: float = 0.0
    again: float = 0.0  # chance of trying again at once after a failure
    wrong_pick: float = 0.0  # chance of taking a part of the same kind first
    same_kind: float = 0.0  # chance that the next part is of the kind of the last
    pauses: float | None = None  # chance of waiting with a part in hand; None: an adept's
    longest_pause_s: float = 1.7
    # Fields of Style that are this operator's own.
    moves: Mapping[str, float] = field(default_factory=dict)


_TRIES, _BEGINNERS_TRIES = 3, 4


def habits_of(seed: int, settings: RecordingSettings) -> Habits:
    """The habits of a recording's operator, as far as the difficulties of motion are on."""
    if settings.failures:
        return Habits(tries=_BEGINNERS_TRIES, beginner=settings.failures)
    person = person_of(seed, settings.operators)
    on = [name for name in MOTION if name in settings.difficulties]
    values = {key: getattr(person, key) for name in on for key in parameters_of(name)}
    own = {each.name for each in fields(Habits)}
    habits = {key: values.pop(key) for key in own & values.keys()}
    if "errs" in habits:
        habits["tries"] = _TRIES
    return Habits(**habits, moves=values)
