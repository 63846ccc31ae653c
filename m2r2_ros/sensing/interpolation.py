# SPDX-License-Identifier: Apache-2.0
"""Signals resampled to the common grid of a window."""

from __future__ import annotations

import numpy as np


def grid_ns(duration_ns: int, rate_hz: int) -> np.ndarray:
    """Sample times of a window relative to its start: k * 1e9 // rate_hz in [0, duration)."""
    count = -(-duration_ns * rate_hz // 1_000_000_000)
    return np.arange(count, dtype=np.int64) * 1_000_000_000 // rate_hz


def interpolate(stamps: np.ndarray, values: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Interpolate all columns linearly; the first and the last row are held outside.

    stamps int64 (n,) strictly increasing, n >= 1; values float64 (n, D); query int64 (m,).
    All times relative to the same origin. Returns float64 (m, D).
    """
    if len(stamps) == 1:
        return np.repeat(values, len(query), axis=0)
    left = np.clip(np.searchsorted(stamps, query, "right") - 1, 0, len(stamps) - 2)
    span = stamps[left + 1] - stamps[left]
    weight = np.clip((query - stamps[left]) / span, 0.0, 1.0)[:, None]
    return values[left] + weight * (values[left + 1] - values[left])


def align_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """Flip signs so that consecutive rows lie in one hemisphere (q and -q are one rotation).

    float64 (n, 4), n >= 1.
    """
    dots = np.einsum("ij,ij->i", quaternions[1:], quaternions[:-1])
    signs = np.cumprod(np.concatenate(([1.0], np.where(dots < 0, -1.0, 1.0))))
    return quaternions * signs[:, None]


def canonical_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """Unit length, and one sign for all rows: the first row's largest component is positive.

    The sign depends on this window alone, so it is the same wherever a recording starts.
    float64 (n, 4), n >= 1, no zero rows.
    """
    unit = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    return -unit if unit[0, np.argmax(np.abs(unit[0]))] < 0 else unit
