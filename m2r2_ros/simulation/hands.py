# SPDX-License-Identifier: Apache-2.0
"""People's hands that reach in from the table's edges, at moments that no action knows of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from m2r2_ros.simulation.scenery import Limb

_SECONDS_A_VISIT, _VISIT_S = 25.0, (2.0, 6.0)
_REACHING_S = 0.8
# Where shoulders are: in front of the table and at both of its sides.
_SHOULDERS_M = ((1.45, -0.35, 0.35), (1.45, 0.35, 0.35), (0.5, -1.25, 0.35), (0.5, 1.25, 0.35))
_REACHED_X_M, _REACHED_Y_M, _REACHED_Z_M = (0.35, 0.75), (-0.4, 0.45), (0.05, 0.16)
_ELBOW_M, _PALM_M, _FINGER_M = 0.28, 0.09, 0.04
_FOREARM_RADIUS_M, _PALM_RADIUS_M, _FINGER_RADIUS_M = 0.04, 0.028, 0.009
_SKIN = ((0.93, 0.76, 0.65), (0.80, 0.58, 0.44), (0.45, 0.30, 0.21))


@dataclass(frozen=True)
class Visit:
    """One hand that comes from a shoulder to a place, stays, and goes again."""

    start_s: float
    end_s: float
    shoulder: np.ndarray
    place: np.ndarray
    skin: tuple[float, float, float]
    sleeve: tuple[float, float, float]
    curl: float  # of the fingers [rad]

    def reach(self, time_s: float) -> float:
        """How far it has come, 0 (not in the picture) to 1."""
        inside = min(time_s - self.start_s, self.end_s - time_s) / _REACHING_S
        return float(np.clip(inside, 0.0, 1.0))


def visits(duration_s: float, rng: np.random.Generator) -> list[Visit]:
    """The visits of one recording, by one person."""
    skin, sleeve = _SKIN[rng.integers(len(_SKIN))], tuple(rng.uniform(0.05, 0.8, 3))
    count = rng.poisson(duration_s / _SECONDS_A_VISIT)
    starts = np.sort(rng.uniform(0, duration_s, count))
    return [_visit(start, skin, sleeve, rng) for start in starts]


def _visit(start_s: float, skin, sleeve, rng: np.random.Generator) -> Visit:
    ranges = (_REACHED_X_M, _REACHED_Y_M, _REACHED_Z_M)
    place = np.array([rng.uniform(*each) for each in ranges])
    shoulder = np.array(_SHOULDERS_M[rng.integers(len(_SHOULDERS_M))])
    end_s = start_s + rng.uniform(*_VISIT_S)
    return Visit(start_s, end_s, shoulder, place, skin, sleeve, rng.uniform(0.3, 1.2))


def limbs(hands: list[Visit], time_s: float) -> list[Limb]:
    """What is to be seen of them at a time: forearm, palm and five fingers of two limbs each."""
    seen = []
    for visit in hands:
        reach = visit.reach(time_s)
        if reach > 0:
            seen += _hand(visit, visit.shoulder + reach * (visit.place - visit.shoulder), time_s)
    return seen


def _hand(visit: Visit, wrist: np.ndarray, time_s: float) -> list[Limb]:
    forward = visit.place - visit.shoulder
    forward = forward / np.linalg.norm(forward)
    across = np.array([-forward[1], forward[0], 0.0])
    across /= np.linalg.norm(across)
    palm = wrist + _PALM_M * forward
    found = [
        Limb(wrist - _ELBOW_M * forward, wrist, _FOREARM_RADIUS_M, visit.sleeve),
        Limb(wrist, palm, _PALM_RADIUS_M, visit.skin),
    ]
    # Fingers play a little, as those of a hand at work do.
    curl = visit.curl + 0.25 * np.sin(5.0 * time_s)
    for finger in range(5):
        spread = 0.35 * (finger - 2)
        root = (wrist if finger == 0 else palm) + 0.018 * (finger - 2) * across
        along = np.cos(spread) * forward + np.sin(spread) * across
        middle = root + _FINGER_M * (np.cos(curl / 2) * along - [0, 0, np.sin(curl / 2)])
        tip = middle + _FINGER_M * (np.cos(curl) * along - [0, 0, np.sin(curl)])
        found += [
            Limb(root, middle, _FINGER_RADIUS_M, visit.skin),
            Limb(middle, tip, _FINGER_RADIUS_M, visit.skin),
        ]
    return found
