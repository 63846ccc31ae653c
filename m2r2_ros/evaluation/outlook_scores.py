# SPDX-License-Identifier: Apache-2.0
"""The figures of outcome and progress, as docs/measures.md defines them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from m2r2_ros.evaluation.discrimination import auroc, interval
from m2r2_ros.evaluation.outlook import ToldOutcome, ToldOutlook, TrueAction, met
from m2r2_ros.evaluation.reliability import reliability
from m2r2_ros.vocabulary import Vocabulary

_BINS = 10
# What a head that is silent says.
_NEITHER = 0.5


class Judged(NamedTuple):
    """A true action with a known outcome, and the segment that was about it."""

    action: str
    success: bool
    told: ToldOutcome | None


class Followed(NamedTuple):
    """Mean errors of progress, in parts of its length, over the frames of one true action.

    `told` of its `frames` were in a segment of its activity with a progress; others have no error.
    """

    success: bool | None
    frames: int
    told: int
    error: float | None
    elapsed_error: float | None


def score_outlook(
    recordings: Sequence[tuple[ToldOutlook, Sequence[TrueAction]]],
    vocabulary: Vocabulary,
    median_s: Mapping[str, float],
) -> dict[str, Any]:
    """`outcome`, for each activity with known outcomes, and `progress`; JSON-ready.

    `median_s`: how long each label lasts in training, for the reading that knows nothing else.
    """
    judged = [_judge(told, actions, vocabulary) for told, actions in recordings]
    names = sorted({case.action for cases in judged for case in cases})
    followed = [_follow(told, actions, vocabulary, median_s) for told, actions in recordings]
    kinds: dict[str, Callable[[Followed], bool]] = {
        "all": lambda case: True,
        "failed": lambda case: case.success is False,
        "succeeded": lambda case: case.success is True,
    }
    outcome = {
        name: _outcome_scores(
            [[case for case in cases if case.action == name] for cases in judged],
            _false_alarms(recordings, judged, name),
        )
        for name in names
    }
    progress = {
        kind: _progress_scores([list(filter(chosen, cases)) for cases in followed])
        for kind, chosen in kinds.items()
    }
    return {"outcome": outcome, "progress": {k: v for k, v in progress.items() if v["actions"]}}


def _judge(
    told: ToldOutlook, actions: Sequence[TrueAction], vocabulary: Vocabulary
) -> list[Judged]:
    cases = []
    for action in actions:
        if action.success is not None:
            name = vocabulary.action_of(action.label)
            cases.append(Judged(name, action.success, met(action, name, told.outcomes)))
    return cases


def _false_alarms(
    recordings: Sequence[tuple[ToldOutlook, Sequence[TrueAction]]],
    judged: Sequence[Sequence[Judged]],
    name: str,
) -> int:
    """Failures told of segments that are about no true action with a known outcome."""
    count = 0
    for (told, _), cases in zip(recordings, judged, strict=True):
        about = {case.told for case in cases}
        count += sum(
            one.action == name and _says_failure(one) and one not in about for one in told.outcomes
        )
    return count


def _outcome_scores(recordings: Sequence[Sequence[Judged]], false_alarms: int) -> dict[str, Any]:
    cases = [case for recording in recordings for case in recording]
    heard = [case for case in cases if case.told is not None]
    known = [case for case in heard if case.told.success is not None]
    of_failures = [case for case in cases if not case.success]
    caught = sum(_says_failure(case.told) for case in of_failures)
    alarms = false_alarms + sum(_says_failure(case.told) for case in cases if case.success)
    said = caught + alarms + len(of_failures)
    return {
        "succeeded": len(cases) - len(of_failures),
        "failed": len(of_failures),
        "met": len(heard),
        "told": len(known),
        "auroc": _auroc(cases),
        "auroc_interval": interval(recordings, _auroc),
        "auroc_duration": _duration_auroc(cases),
        "ece": _calibration_error(known),
        "f1_failures": 2 * caught / said if said else None,
        "f1_failures_interval": interval(recordings, _f1_failures),
    }


def _auroc(cases: Sequence[Judged]) -> float | None:
    """Of the actions that were met; what was not told is as probable as not. None told: None."""
    heard = [case for case in cases if case.told is not None]
    if all(case.told.success is None for case in heard):
        return None
    scores = [_NEITHER if c.told.success is None else c.told.success for c in heard]
    return auroc(scores, [case.success for case in heard])


def _duration_auroc(cases: Sequence[Judged]) -> float | None:
    """By the segment's length alone, in the better direction."""
    heard = [case for case in cases if case.told is not None]
    lengths = [case.told.end_s - case.told.start_s for case in heard]
    found = auroc(lengths, [case.success for case in heard])
    return None if found is None else max(found, 1 - found)


def _f1_failures(cases: Sequence[Judged]) -> float | None:
    failures = sum(not case.success for case in cases)
    caught = sum(_says_failure(case.told) for case in cases if not case.success)
    alarms = sum(_says_failure(case.told) for case in cases if case.success)
    return 2 * caught / (caught + alarms + failures) if failures else None


def _says_failure(told: ToldOutcome | None) -> bool:
    return told is not None and told.success is not None and told.success < _NEITHER


def _calibration_error(known: Sequence[Judged]) -> float | None:
    if not known:
        return None
    shares = np.array([case.told.success for case in known])
    right = (shares >= _NEITHER) == np.array([case.success for case in known])
    return reliability(np.maximum(shares, 1 - shares), right, _BINS).expected_error


def _follow(
    told: ToldOutlook,
    actions: Sequence[TrueAction],
    vocabulary: Vocabulary,
    median_s: Mapping[str, float],
) -> list[Followed]:
    times = np.array([one.time_s for one in told.progress])
    found = []
    for action in actions:
        first, last = np.searchsorted(times, (action.start_s, action.end_s), side="right")
        name = vocabulary.action_of(action.label)
        errors = []
        for one in told.progress[first:last]:
            if one.action == name and one.progress is not None and action.label in median_s:
                done = (one.time_s - action.start_s) / (action.end_s - action.start_s)
                elapsed = min(1.0, (one.time_s - one.start_s) / median_s[action.label])
                errors.append((abs(one.progress - done), abs(elapsed - done)))
        means = map(fmean, zip(*errors, strict=True)) if errors else (None, None)
        found.append(Followed(action.success, int(last - first), len(errors), *means))
    return found


def _progress_scores(recordings: Sequence[Sequence[Followed]]) -> dict[str, Any]:
    cases = [case for recording in recordings for case in recording]
    frames = sum(case.frames for case in cases)
    return {
        "actions": len(cases),
        "told": sum(case.told for case in cases) / frames if frames else 0.0,
        "error": _mean_error(cases),
        "error_interval": interval(recordings, _mean_error),
        "elapsed_error": _mean([case.elapsed_error for case in cases]),
    }


def _mean_error(cases: Sequence[Followed]) -> float | None:
    return _mean([case.error for case in cases])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
