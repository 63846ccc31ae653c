# SPDX-License-Identifier: Apache-2.0
"""What came of the action at each frame: success, failure, or unknown where nobody has said it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from m2r2_ros.datasets.recording import FAILURE, SUCCESS, Action
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.labels import NO_CLASS, label_from_text
from m2r2_ros.vocabulary import UNKNOWN

# By name; losses and scores leave out what is UNJUDGED.
FAILED, SUCCEEDED, UNJUDGED = 0, 1, -100
_IDS = {FAILURE: FAILED, SUCCESS: SUCCEEDED, UNKNOWN: UNJUDGED}


def frame_outcomes(
    actions: Iterable[Action], times_s: Sequence[float] | np.ndarray
) -> list[str] | None:
    """Outcome at each time (same origin as the actions) of the action in [start, end).

    Where several are, of the one that started last. None when nobody has said any.
    """
    outcomes = np.full(len(times_s), UNKNOWN, dtype=object)
    times = np.asarray(times_s, dtype=np.float64)
    for action in sorted(actions, key=lambda action: action.start_s):
        inside = (times >= action.start_s) & (times < action.end_s)
        named = label_from_text(action.text) not in NO_CLASS
        outcomes[inside] = (named and action.outcome) or UNKNOWN
    return None if (outcomes == UNKNOWN).all() else outcomes.tolist()


def outcome_ids(names: Sequence[str]) -> np.ndarray:
    """FAILED, SUCCEEDED or UNJUDGED of each name, int64. Raises M2R2Error on another name."""
    for name in set(names).difference(_IDS):
        raise M2R2Error(f"{brief(name)} is not one of {', '.join(_IDS)}")
    return np.array([_IDS[name] for name in names], np.int64)
