# SPDX-License-Identifier: Apache-2.0
"""Repair what recorded clocks do: steps back, repeats, streams that tick apart."""

from __future__ import annotations

import numpy as np

# Longer than any recording; a time beyond it is garbage.
MAX_TIME_S = 24 * 3600.0

# From 1973 on a Unix time is larger than any time in a recording, whatever its unit.
_UNIX_UNITS = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3), (1e8, 1.0))

# Values are not interpolated across a longer gap.
MAX_GAP_NS = 50_000_000

DEFAULT_QUATERNION_ORDER = "wxyz"
# A tool within about 30 degrees of straight down.
MAX_TILT_ENERGY = 0.07


def to_nanoseconds(times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn float seconds (N,) into int64 nanoseconds and the mask (N,) of the usable ones.

    The usable ones are finite, plausible and strictly increasing.
    """
    plausible = np.abs(times_s) <= MAX_TIME_S
    stamps = np.zeros(len(times_s), np.int64)
    stamps[plausible] = np.round(times_s[plausible] * 1e9).astype(np.int64)
    usable = np.zeros(len(times_s), bool)
    usable[np.flatnonzero(plausible)[increasing(stamps[plausible])]] = True
    return stamps, usable


def unix_unit(times: np.ndarray) -> float:
    """The unit [s] of Unix times: seconds, milli-, micro- or nanoseconds; 0 for other times."""
    finite = np.abs(times[np.isfinite(times)])
    middle = float(np.median(finite)) if len(finite) else 0.0
    return next((unit for least, unit in _UNIX_UNITS if middle >= least), 0.0)


def increasing(stamps: np.ndarray) -> np.ndarray:
    """Mask (N,) that leaves a strictly increasing sequence.

    Drops either what is not newer than everything before it or what is not older than everything
    after it, whichever keeps more: one wild stamp never costs the rest of the stream.
    """
    if len(stamps) == 0:
        return np.zeros(0, bool)
    newest_before = np.maximum.accumulate(stamps)[:-1]
    oldest_after = np.minimum.accumulate(stamps[::-1])[::-1][1:]
    forward = np.concatenate([[True], stamps[1:] > newest_before])
    backward = np.concatenate([stamps[:-1] < oldest_after, [True]])
    return forward if forward.sum() >= backward.sum() else backward


def on_clock(targets: np.ndarray, stamps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate `values` (N, D) at `stamps` linearly to `targets` (M,): (M, D).

    NaN outside [first, last stamp] and between samples more than MAX_GAP_NS apart: what was not
    measured stays missing.
    """
    if np.array_equal(targets, stamps):
        return values
    if len(stamps) == 0:
        return np.full((len(targets), values.shape[1]), np.nan)
    right = np.searchsorted(stamps, targets, side="left").clip(0, len(stamps) - 1)
    exact = stamps[right] == targets
    left = np.where(exact, right, right - 1).clip(0)
    gap = stamps[right] - stamps[left]
    weight = np.where(exact, 0.0, (targets - stamps[left]) / np.maximum(gap, 1))
    result = values[left] + weight[:, None] * (values[right] - values[left])
    inside = (targets >= stamps[0]) & (targets <= stamps[-1]) & (gap <= MAX_GAP_NS)
    result[~inside] = np.nan
    return result


def quaternion_order(quaternions: np.ndarray) -> str | None:
    """Tell from the data (N, 4) whether it is "xyzw" or "wxyz"; None when it does not say.

    The arm works with its tool pointing down: a half turn about an axis in the x-y plane, so that
    x^2 + y^2 is near 1 and z, w near 0. Where both orders would allow that, all is in the second
    component: x (tool straight, as the arm is parked) is likelier than y (turned by 180 degrees).
    """
    finite = quaternions[np.isfinite(quaternions).all(axis=1)]
    norms = np.einsum("nd,nd->n", finite, finite)
    if not (norms > 0).any():
        return None
    energy = np.median(finite[norms > 0] ** 2 / norms[norms > 0, None], axis=0)
    tilt = {"wxyz": energy[0] + energy[3], "xyzw": energy[2] + energy[3]}
    best = min(tilt, key=lambda order: tilt[order])
    if tilt["wxyz"] <= MAX_TILT_ENERGY and tilt["xyzw"] <= MAX_TILT_ENERGY:
        return "wxyz"
    return best if tilt[best] <= MAX_TILT_ENERGY else None
