# SPDX-License-Identifier: Apache-2.0
"""What to record next, from what models miss in recordings that they have not seen.

Error falls about as one over the square root of the examples: with so many more of a class, a part
of what is missed now would be found. Suggestions are in order of that gain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.learning.outcome import LearningOutcome

MOST_SUGGESTIONS = 5
# Examples of a class that a day of recording may bring.
_MORE = 10
# As F1@50 has it.
_OVERLAP = 0.5
# A confusion that occurs once is chance.
_FEWEST = 2


@dataclass(frozen=True)
class Suggestion:
    """`gain`: how many of a hundred actions would be found that are missed now, by a rough rule."""

    text: str
    gain: float

    def __str__(self) -> str:
        return f"{self.text} (worth about {self.gain:.1f} of 100 actions)."


@dataclass(frozen=True)
class _Action:
    """A true action that was held out: what came before it, and what it was taken for if missed."""

    label: str
    before: str
    group: str
    missed: bool
    taken_for: str


def what_to_record(outcome: LearningOutcome) -> list[Suggestion]:
    """At most MOST_SUGGESTIONS, the greatest gain first; none where nothing is missed."""
    actions = list(_actions(outcome))
    found = [
        *_rare_classes(actions, outcome),
        *_confused_pairs(actions, outcome),
        *_weak_groups(actions, outcome),
        *_new_transitions(actions),
    ]
    return sorted(found, key=lambda one: -one.gain)[:MOST_SUGGESTIONS]


def _actions(outcome: LearningOutcome) -> Iterator[_Action]:
    idle = outcome.facts.idle
    for one in outcome.held_out():
        before = ""
        for segment in one.truth:
            if segment.label not in idle:
                group = outcome.facts.groups[one.recording]
                missed = not _is_found(segment, one.published)
                taken = _taken_for(segment, one.published) if missed else ""
                yield _Action(segment.label, before, group, missed, taken)
            before = segment.label


def _is_found(true: Segment, published: Iterable[Segment]) -> bool:
    return any(
        one.label == true.label and _common_s(one, true) >= _OVERLAP * _union_s(one, true)
        for one in published
    )


def _common_s(one: Segment, other: Segment) -> float:
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))


def _union_s(one: Segment, other: Segment) -> float:
    return max(one.end_s, other.end_s) - min(one.start_s, other.start_s)


def _taken_for(true: Segment, published: Iterable[Segment]) -> str:
    """The other label that was published for most of its time, "" for none."""
    times: Counter[str] = Counter()
    for one in published:
        if one.label != true.label and (common_s := _common_s(one, true)) > 0:
            times[one.label] += common_s
    return max(times, key=lambda label: times[label], default="")


def _rare_classes(actions: Sequence[_Action], outcome: LearningOutcome) -> Iterator[Suggestion]:
    examples = {n: count for n, (count, _) in outcome.facts.labels.items()}
    usual = float(np.median([examples[n] for n in examples if n not in outcome.facts.idle] or [0]))
    for label in dict.fromkeys(action.label for action in actions):
        own = [action for action in actions if action.label == label]
        missed = sum(action.missed for action in own)
        if missed:
            yield Suggestion(
                f"Record '{label}' more often: {missed} of {len(own)} such actions are missed "
                f"when they are held out; it has {examples[label]} examples, the median class "
                f"{usual:.0f}",
                _gain(missed, examples[label], actions),
            )


def _gain(missed: float, examples: int, actions: Sequence[_Action]) -> float:
    return 100 * missed * (1 - (1 + _MORE / max(examples, 1)) ** -0.5) / len(actions)


def _confused_pairs(actions: Sequence[_Action], outcome: LearningOutcome) -> Iterator[Suggestion]:
    """Of each pair what is missed on both sides; half of it would go as for a class of its own."""
    idle, labels = outcome.facts.idle, outcome.facts.labels
    taken = Counter((a.label, a.taken_for) for a in actions if a.taken_for not in ("", *idle))
    for one, other in {tuple(sorted(pair)) for pair in taken}:
        there, back = taken[one, other], taken[other, one]
        if there + back >= _FEWEST and {one, other} <= labels.keys():
            first, second = (one, other) if there >= back else (other, one)
            also = f", and {min(there, back)} the other way round" if min(there, back) else ""
            examples = labels[one][0] + labels[other][0]
            yield Suggestion(
                f"Record '{first}' and '{second}' in turns, at the same places and speeds: "
                f"{max(there, back)} of '{first}' were taken for '{second}'{also}",
                _gain(there + back, examples, actions),
            )


def _weak_groups(actions: Sequence[_Action], outcome: LearningOutcome) -> Iterator[Suggestion]:
    """Groups in which more is missed than their classes are elsewhere, by more than chance."""
    scores = _f1_of_groups(outcome)
    for group, f1 in scores.items():
        own = [action for action in actions if action.group == group]
        others = [action for action in actions if action.group != group]
        extra = _more_than_chance(own, others)
        if extra > 0:
            usual = float(np.median([value for name, value in scores.items() if name != group]))
            yield Suggestion(
                f"Record more under the conditions of '{group}', and vary what is special about "
                f"them: held out it has an F1@50 of {f1:.0f}, the median of the other groups is "
                f"{usual:.0f}",
                100 * extra / len(actions) / 2,
            )


def _more_than_chance(own: Sequence[_Action], others: Sequence[_Action]) -> float:
    """How many actions are missed beyond what the same classes miss among others; 0 by chance.

    Three standard deviations of a Poisson count are chance, and one is taken off the excess.
    """
    rates: dict[str, float] = {}
    for label in {action.label for action in own}:
        rates[label] = float(np.mean([a.missed for a in others if a.label == label] or [0.0]))
    expected = sum(rates[action.label] for action in own)
    extra = sum(action.missed for action in own) - expected
    noise = max(expected, 1.0) ** 0.5
    return extra - noise if len(others) and extra >= 3 * noise else 0.0


def _f1_of_groups(outcome: LearningOutcome) -> dict[str, float]:
    """The mean over a group's recordings."""
    found: dict[str, list[float]] = {}
    for one in outcome.held_out():
        f1 = one.scores.get("f1@50")
        if f1 is not None:
            found.setdefault(outcome.facts.groups[one.recording], []).append(f1)
    return {group: float(np.mean(values)) for group, values in found.items()}


def _new_transitions(actions: Sequence[_Action]) -> Iterator[Suggestion]:
    """What follows what in one group alone: whoever holds it out has never seen it."""
    groups: dict[tuple[str, str], set[str]] = {}
    for action in actions:
        groups.setdefault((action.before, action.label), set()).add(action.group)
    for (before, label), where in groups.items():
        if len(where) > 1 or not before:
            continue
        own = [action for action in actions if (action.before, action.label) == (before, label)]
        others = [action for action in actions if action.before != before]
        extra = _more_than_chance(own, others)
        if extra > 0:
            missed = sum(action.missed for action in own)
            yield Suggestion(
                f"Record '{label}' after '{before}' on other days, too: only '{min(where)}' has "
                f"it, and {missed} of {len(own)} such actions are missed",
                100 * extra / len(actions) / 2,
            )
