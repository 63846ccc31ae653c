# SPDX-License-Identifier: Apache-2.0
"""Least and greatest values over bins of time, at one width and at wider ones."""

from __future__ import annotations

import numpy as np


def envelope(
    stamps: np.ndarray, values: np.ndarray, start_ns: int, bins: int, bin_ns: int
) -> np.ndarray:
    """Of values (N, D) at stamps (N,): float32 (D, bins, 2), NaN where a bin has no number."""
    found = np.full((values.shape[1], bins, 2), np.nan, np.float32)
    places = (stamps - start_ns) // bin_ns
    inside = (stamps >= start_ns) & (places < bins)
    order = np.argsort(places[inside], kind="stable")
    places, values = places[inside][order], values[inside][order]
    if len(places):
        firsts = np.flatnonzero(np.diff(places, prepend=-1))
        # Of numbers and NaN the numbers.
        found[:, places[firsts], 0] = np.fmin.reduceat(values, firsts, axis=0).T
        found[:, places[firsts], 1] = np.fmax.reduceat(values, firsts, axis=0).T
    return found


def coarser(fine: np.ndarray, factor: int) -> np.ndarray:
    """The same over bins that are `factor` times as wide."""
    columns, bins, _ = fine.shape
    grouped = fine.reshape(columns, bins // factor, factor, 2)
    least = np.fmin.reduce(grouped[..., 0], axis=2)
    return np.stack([least, np.fmax.reduce(grouped[..., 1], axis=2)], axis=-1)
