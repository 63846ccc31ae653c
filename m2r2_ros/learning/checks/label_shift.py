# SPDX-License-Identifier: Apache-2.0
"""Labels that are early or late as a whole, and streams whose clock is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from m2r2_ros.learning.checks.label_model import LabelFit, fit_of
from m2r2_ros.learning.checks.usual import highest_usual, unusual
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RATE_HZ

SHIFTED, CLOCK_KIND = "shifted labels", "shifted stream"
# Labels are tried so far from where they are, and over at least half of the recording.
_FURTHEST_S = 15.0
# Less is within what people disagree on where an action begins.
_LEAST_S = 0.5
# Gain of the mean log probability below which a better place is no evidence.
_LEAST_GAIN = 0.2
# A stream that is only late fits as well as in other recordings when that is mended, up to this.
_LEAST_LOSS = 0.3


class Shift(NamedTuple):
    """Where labels fit best: later by `frames`, and how much better than where they are."""

    frames: int
    gain: float


def best_shift(logs: np.ndarray, known: np.ndarray) -> Shift:
    """By the mean log probability of the labels; of one outside the recording, of an even guess."""
    frames, classes = logs.shape
    labelled = int((known >= 0).sum())
    if not labelled:
        return Shift(0, 0.0)
    # Entry frames - 1 + k: labels that are k frames later.
    better = np.zeros(2 * frames - 1)
    for one in np.unique(known[known >= 0]):
        is_one = (known == one).astype(float)
        better += np.correlate(logs[:, one] + np.log(classes), is_one, "full")
    furthest = min(round(_FURTHEST_S * RATE_HZ), frames // 2)
    tried = np.arange(-furthest, furthest + 1)
    fits = better[frames - 1 + tried] / labelled
    # The least shift of those that fit best.
    best = min(np.flatnonzero(fits >= fits.max() - 1e-12), key=lambda i: abs(tried[i]))
    return Shift(int(tried[best]), float(fits[best] - fits[furthest]))


def shifted_labels(fits: Sequence[LabelFit]) -> Iterator[Finding]:
    """Recordings whose labels would fit unusually better somewhere else."""
    shifts = [best_shift(fit.together, fit.known) for fit in fits]
    for fit, shift, late_s in zip(fits, shifts, _odd_shifts_s(shifts), strict=True):
        if late_s:
            side = "early" if late_s > 0 else "late"
            loyal = [name for name in fit.logs if _keeps_step(fit, name, shift.frames)]
            but = f"; with {_listed(loyal)} they are in step" if loyal else ""
            where = "the other streams" if loyal else "its labels"
            yield Finding(
                SHIFTED,
                f"its labels are {abs(late_s):.1f} s {side}, by what the signals do at these "
                f"labels in the other recordings{but}",
                f"move {where} by {late_s if not loyal else -late_s:+.1f} s, or leave it out",
                fit.name,
            )


def _keeps_step(fit: LabelFit, stream: str, whole: int) -> bool:
    against = _against(fit, stream, whole)
    return abs(against.frames + whole) < _LEAST_S * RATE_HZ and against.gain > _LEAST_GAIN


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def shifted_streams(fits: Sequence[LabelFit]) -> Iterator[Finding]:
    """Streams that fit unusually better at another time than all streams together do."""
    whole = {fit.name: best_shift(fit.together, fit.known).frames for fit in fits}
    for stream in dict.fromkeys(name for fit in fits for name in fit.logs):
        having = [fit for fit in fits if stream in fit.logs and len(fit.logs) > 1]
        shifts = [_against(fit, stream, whole[fit.name]) for fit in having]
        fits_now = np.array([fit_of(fit.logs[stream], fit.known) for fit in having])
        good = -highest_usual(-fits_now, _LEAST_LOSS)
        for fit, shift, late_s in zip(having, shifts, _odd_shifts_s(shifts), strict=True):
            if late_s and _fit_inside(fit, stream, whole[fit.name] + shift.frames) >= good:
                side = "behind" if late_s > 0 else "ahead of"
                yield Finding(
                    CLOCK_KIND,
                    f"'{stream}' is {abs(late_s):.1f} s {side} the other sensors, compared with "
                    "the other recordings",
                    "see to the clock or the stamps of its driver, or leave the recording out",
                    fit.name,
                    stream=stream,
                )


def _fit_inside(fit: LabelFit, stream: str, frames_late: int) -> float:
    """Of the labels that lie within the recording then."""
    frames = len(fit.known)
    inside = slice(max(0, -frames_late), max(0, frames - max(0, frames_late)))
    known = np.full(frames, -1)
    known[inside] = fit.known[inside]
    return fit_of(fit.logs[stream], known, frames_late)


def _against(fit: LabelFit, stream: str, whole: int) -> Shift:
    """A stream's best shift, from where all streams together fit best."""
    logs = fit.logs[stream]
    own = best_shift(logs, fit.known)
    there = fit_of(logs, fit.known, own.frames)
    return Shift(own.frames - whole, there - fit_of(logs, fit.known, whole))


def _odd_shifts_s(shifts: Sequence[Shift]) -> list[float]:
    """Each shift in seconds from the usual one, 0 where nothing is unusual about it."""
    frames = np.array([shift.frames for shift in shifts], float)
    gains = np.array([shift.gain for shift in shifts])
    usual = float(np.median(frames))
    far = np.abs(frames - usual)
    odd = unusual(far, _LEAST_S * RATE_HZ) & (gains > highest_usual(gains, _LEAST_GAIN))
    return [float(f - usual) / RATE_HZ if one else 0.0 for f, one in zip(frames, odd, strict=True)]
