# SPDX-License-Identifier: Apache-2.0
"""Labels that contradict the signals: two classes exchanged, labels of another recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from m2r2_ros.learning.checks.label_model import LabelFit, fit_of
from m2r2_ros.learning.checks.label_shift import best_shift
from m2r2_ros.learning.checks.usual import highest_usual, unusual
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RATE_HZ

SWAPPED, FOREIGN, UNLIKE = "swapped labels", "labels of another", "labels unlike signals"
ODD_STREAM = "sensor unlike others"
# Mean log probability by which labels may fit worse than usual without a word: all streams
# together, and one of them.
_LEAST, _LEAST_OF_STREAM = 0.3, 0.7
# By so much labels of another recording fit worse; less may be a segment or two.
_LEAST_OF_FOREIGN = 1.0


def contradicting_labels(fits: Sequence[LabelFit], classes: Sequence[str]) -> Iterator[Finding]:
    """Recordings whose labels fit unusually badly, and no shift mends it; with what would."""
    usual = _usual_fits(fits)
    own = np.array([fit_of(fit.together, fit.known) for fit in fits])
    lost = usual - own
    limit = highest_usual(lost, _LEAST)
    for number in np.flatnonzero(lost > limit):
        fit = fits[number]
        # More than half of what is wrong: the shift is what is reported.
        if best_shift(fit.together, fit.known).gain > lost[number] / 2:
            continue
        good = usual[number] - limit
        is_foreign = lost[number] >= _LEAST_OF_FOREIGN
        yield (
            _swapped(fit, classes, good)
            or (_foreign(fit, fits, good) if is_foreign else None)
            or _unlike(fit, own[number], usual[number], classes)
        )


def _usual_fits(fits: Sequence[LabelFit]) -> np.ndarray:
    """Of each recording what its labels usually fit with the streams that it has: float (N,)."""
    streams = dict.fromkeys(name for fit in fits for name in fit.logs)
    each = {
        name: np.nanmedian([fit_of(f.logs[name], f.known) for f in fits if name in f.logs])
        for name in streams
    }
    return np.array([np.mean([each[name] for name in fit.logs]) for fit in fits])


def _swapped(fit: LabelFit, classes: Sequence[str], good: float) -> Finding | None:
    there = np.unique(fit.known[fit.known >= 0])
    pairs = list(combinations(there, 2))
    tried = [fit_of(fit.together, _exchanged(fit.known, *pair)) for pair in pairs]
    if not pairs or max(tried) < good:
        return None
    one, other = (classes[i] for i in pairs[int(np.argmax(tried))])
    return Finding(
        SWAPPED,
        f"'{one}' and '{other}' are exchanged in it: the signals say the one where the labels say "
        "the other",
        "exchange the two in `m2r2 label`, or leave the recording out",
        fit.name,
        one,
    )


def _exchanged(known: np.ndarray, one: int, other: int) -> np.ndarray:
    return np.where(known == one, other, np.where(known == other, one, known))


def _foreign(fit: LabelFit, fits: Sequence[LabelFit], good: float) -> Finding | None:
    others = [other for other in fits if other is not fit]
    tried = [fit_of(fit.together, _as_long(other.known, len(fit.known))) for other in others]
    if max(tried) < good:
        return None
    owner = others[int(np.argmax(tried))].name
    return Finding(
        FOREIGN,
        f"its labels are not its own: those of '{owner}' fit its signals",
        "put the right labels beside the recording, or leave it out",
        fit.name,
    )


def _as_long(known: np.ndarray, frames: int) -> np.ndarray:
    return np.pad(known, (0, max(0, frames - len(known))), constant_values=-1)[:frames]


def _unlike(fit: LabelFit, own: float, usual: float, classes: Sequence[str]) -> Finding:
    """Without an explanation: at least the label that fits worst."""
    rows = np.flatnonzero(fit.known >= 0)
    logs = fit.together[rows, fit.known[rows]]
    means = {int(c): logs[fit.known[rows] == c].mean() for c in np.unique(fit.known[rows])}
    worst = min(means, key=lambda c: means[c])
    where = rows[fit.known[rows] == worst]
    return Finding(
        UNLIKE,
        f"its labels fit its signals with a mean log probability of {own:.2f}, those of other "
        f"recordings with {usual:.2f}; worst is '{classes[worst]}'",
        "look at it in `m2r2 label`: wrong labels, a wrong sensor, or another way to do the task",
        fit.name,
        classes[worst],
        start_s=float(where[0] / RATE_HZ),
        end_s=float((where[-1] + 1) / RATE_HZ),
    )


def odd_streams(fits: Sequence[LabelFit]) -> Iterator[Finding]:
    """Streams that contradict the labels of a recording unusually, whatever the others say."""
    for stream in dict.fromkeys(name for fit in fits for name in fit.logs):
        having = [fit for fit in fits if stream in fit.logs]
        own = np.array([fit_of(fit.logs[stream], fit.known) for fit in having])
        for number in np.flatnonzero(unusual(-own, _LEAST_OF_STREAM)):
            yield Finding(
                ODD_STREAM,
                f"'{stream}' does at its labels what it does not in the other recordings: a mean "
                f"log probability of {own[number]:.2f}, usual is {np.nanmedian(own):.2f}",
                "look at it with `m2r2 inspect`: another place of the sensor, a stuck one, a "
                "changed sign or order of columns",
                having[number].name,
                stream=stream,
            )
