# SPDX-License-Identifier: Apache-2.0
"""The twist of a robot that publishes its pose only: the mean velocity over a short past."""

from __future__ import annotations

import numpy as np

from m2r2_ros.sensing.limits import SensingLimits, to_ns
from m2r2_ros.sensing.rotation import (
    ORIENTATION,
    POSITION,
    conjugate,
    multiply,
    normalised,
    rotation_vector,
)

# The twist at t is the mean over the last 50 ms: noise of the pose is amplified by sqrt(2) / 0.05 s
# (0.1 mm is 2.8 mm/s) and the twist lags 25 ms behind, measured in docs/sensors.md. Trained
# encoders rely on it.
HORIZON_S = 0.05


class DerivedTwist:
    """Rows of a pose in, rows of its twist out: linear [m/s], angular [rad/s], in the base frame.

    A row of the twist bears the stamp of a row of the pose and uses rows up to that one only:
    (pose(t) - pose(s)) / (t - s) for the newest s <= t - HORIZON_S, the rotation between both as
    axis times angle. There is none at the start, nor where s is older than `max_signal_age_s`.
    The result does not depend on how rows are batched.
    """

    def __init__(self, limits: SensingLimits) -> None:
        self._horizon_ns = to_ns(HORIZON_S)
        self._longest_ns = max(self._horizon_ns, to_ns(limits.max_signal_age_s))
        self._jump_ns = to_ns(limits.jump_s)
        self.clear()

    def clear(self) -> None:
        """Forget the past."""
        # Rows without a fault, stamps strictly increasing.
        self._stamps, self._poses = np.empty(0, np.int64), np.empty((0, 7))
        self._newest_ns: int | None = None

    def add(self, stamps: np.ndarray, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stamps int64 (n,) and poses float64 (n, 7) in order of arrival, a fault as NaN.

        Returns stamps (m,) and twists (m, 6). A fault of the pose is one of the twist. A row that
        is not newer than all before it gives none; one that steps back by more than `jump_s`
        begins anew.
        """
        parts = []
        while len(stamps):
            count = self._rows_before_step(stamps)
            parts.append(self._add(stamps[:count], poses[:count]))
            stamps, poses = stamps[count:], poses[count:]
            if len(stamps):
                self.clear()
        if not parts:
            return np.empty(0, np.int64), np.empty((0, 6))
        return np.concatenate([s for s, _ in parts]), np.concatenate([t for _, t in parts])

    def _rows_before_step(self, stamps: np.ndarray) -> int:
        """How many rows come before time steps back."""
        stepped = stamps < self._reached(stamps) - self._jump_ns
        return int(np.argmax(stepped)) if stepped.any() else len(stamps)

    def _reached(self, stamps: np.ndarray) -> np.ndarray:
        """The newest stamp before each row."""
        first = stamps[0] - 1 if self._newest_ns is None else self._newest_ns
        return np.maximum.accumulate(np.concatenate(([first], stamps[:-1])))

    def _add(self, stamps: np.ndarray, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(stamps):
            return stamps, np.empty((0, 6))
        newer = stamps > self._reached(stamps)
        stamps, poses = stamps[newer], normalised(poses[newer], np.inf)
        if len(stamps):
            self._newest_ns = int(stamps[-1])
        sound = np.isfinite(poses).all(axis=1)
        self._stamps = np.concatenate((self._stamps, stamps[sound]))
        self._poses = np.concatenate((self._poses, poses[sound]))
        answer = self._twists(stamps, poses, sound)
        self._forget()
        return answer

    def _twists(
        self, stamps: np.ndarray, poses: np.ndarray, sound: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        before = np.searchsorted(self._stamps, stamps - self._horizon_ns, "right") - 1
        there = before >= 0
        span_ns = stamps - self._stamps[np.maximum(before, 0)] if len(self._stamps) else stamps
        there &= span_ns <= self._longest_ns
        twists = np.full((len(stamps), 6), np.nan)
        known = there & sound
        past = self._poses[before[known]]
        twists[known] = _mean_twist(past, poses[known], span_ns[known] / 1e9)
        told = known | ~sound
        return stamps[told], twists[told]

    def _forget(self) -> None:
        if len(self._stamps):
            oldest = self._stamps[-1] - self._horizon_ns
            first = max(0, int(np.searchsorted(self._stamps, oldest, "right")) - 1)
            self._stamps, self._poses = self._stamps[first:], self._poses[first:]


def _mean_twist(past: np.ndarray, poses: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """float64 (n, 7) twice and (n,) -> (n, 6)."""
    moved = poses[:, POSITION] - past[:, POSITION]
    turned = rotation_vector(multiply(poses[:, ORIENTATION], conjugate(past[:, ORIENTATION])))
    return np.concatenate((moved, turned), axis=1) / seconds[:, None]
