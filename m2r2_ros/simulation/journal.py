# SPDX-License-Identifier: Apache-2.0
"""What happened when: the journal that a run writes, and the labels made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from m2r2_ros.datasets.recording import Action, LowLevelSkill
from m2r2_ros.labels import NO_ACTION, text_from_label


@dataclass
class Attempt:
    """One attempt at one activity, from the first motion to the event that ends it."""

    activity: str
    name: str
    start_s: float
    end_s: float = 0.0
    success: bool = False
    skills: list[tuple[float, str]] = field(default_factory=list)


class Journal:
    """Attempts in order of time. Skills last until the next skill or the end of the attempt."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def begin(self, time_s: float, activity: str, name: str) -> Attempt:
        self.attempts.append(Attempt(activity, name, time_s))
        return self.attempts[-1]

    def skill(self, time_s: float, skill: str) -> None:
        self.attempts[-1].skills.append((time_s, skill))

    def end(self, time_s: float, success: bool) -> None:
        self.attempts[-1].end_s, self.attempts[-1].success = time_s, success


def actions_from_attempts(attempts: list[Attempt], duration_s: float) -> list[Action]:
    """Label all of [0, duration_s): the attempts, and "No action." wherever there is none.

    Attempts must be in order and not overlap.
    """
    actions: list[Action] = []
    now = 0.0
    for attempt in attempts:
        if attempt.start_s > now:
            actions.append(Action(now, attempt.start_s, text_from_label(NO_ACTION)))
        text = text_from_label(f"{attempt.activity} {attempt.name}")
        now = attempt.end_s
        actions.append(Action(attempt.start_s, now, text, attempt.success, _skills(attempt)))
    if duration_s > now:
        actions.append(Action(now, duration_s, text_from_label(NO_ACTION)))
    return actions


def _skills(attempt: Attempt) -> tuple[LowLevelSkill, ...]:
    edges = [*(start for start, _ in attempt.skills), attempt.end_s]
    last = len(attempt.skills) - 1
    return tuple(
        LowLevelSkill(start, end, f"{skill}.", attempt.success or index < last)
        for index, ((start, end), (_, skill)) in enumerate(
            zip(pairwise(edges), attempt.skills, strict=True)
        )
    )
