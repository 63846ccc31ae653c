# SPDX-License-Identifier: Apache-2.0
"""What the arm of foreign_robot.py does and what its sensors say, from a seed; no ROS.

Screws go into a board: each is fetched and driven, some get a washer first, some are checked after.
Operators differ: how many screws, which holes, how fast, how long they wait, how they have placed
trays and light.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw

JOINTS = ["column", "shoulder", "elbow", "forearm", "bit"]
CELLS = [f"cell_{number}" for number in range(8)]
LABELS = ["wait", "fetch screw", "fit washer", "drive screw", "check seat"]

_HOME, _SCREWS, _WASHERS = (0.0, 0.2, 0.9, 0.0), (-1.1, 0.7, 0.5, 0.3), (-0.6, 0.9, 0.7, -0.3)
_HOLES = [(0.5, 0.6, 0.4, 0.1), (0.8, 0.8, 0.3, 0.0), (1.1, 0.6, 0.2, -0.1)]
_DOWN = np.array([0.0, 0.15, 0.12, 0.0])
# The usual length [s] of each step.
_USUAL_S = {
    "wait": 1.0,
    "fetch screw": 2.6,
    "fit washer": 2.4,
    "drive screw": 3.0,
    "check seat": 1.6,
}
# When in a step (part of its length), where (S, W and H: trays and hole, lower case: down on it;
# "": home), then force [N], torque [N m], what the pad holds (screw, washer), turns of the bit.
_WAYPOINTS = {
    "wait": [(1.0, "", 0, 0, 0, 0, 0)],
    "fetch screw": [
        (0.4, "S", 0, 0, 0, 0, 0),
        (0.55, "s", -3, 0, 0, 0, 0),
        (0.65, "s", -3, 0, 1, 0, 0),
        (1.0, "S", 0, 0, 1, 0, 0),
    ],
    "fit washer": [
        (0.3, "W", 0, 0, 1, 0, 0),
        (0.45, "w", -2, 0, 1, 1, 0),
        (0.75, "H", 0, 0, 1, 1, 0),
        (0.9, "h", -6, 0, 1, 1, 0),
        (1.0, "H", 0, 0, 1, 0, 0),
    ],
    "drive screw": [
        (0.3, "H", 0, 0, 1, 0, 0),
        (0.4, "h", -15, 0.3, 1, 0, 0),
        (0.85, "h", -18, 0.9, 1, 0, 9),
        (0.92, "h", -18, 2.4, 1, 0, 9.5),
        (1.0, "H", 0, 0, 0, 0, 9.5),
    ],
    "check seat": [
        (0.3, "H", 0, 0, 0, 0, 0),
        (0.55, "h", -28, 0, 0, 0, 0),
        (0.75, "h", -28, 0, 0, 0, 0),
        (1.0, "H", 0, 0, 0, 0, 0),
    ],
}
_SHAPES = np.array([[9, 7, 2, 0, 0, 2, 7, 9], [1, 4, 8, 9, 9, 8, 4, 1]], float)


@dataclass(frozen=True)
class Demonstration:
    """One run of the procedure; `screws` 0: two or three, as the operator likes it."""

    seed: int
    screws: int = 0

    @cached_property
    def steps(self) -> list[tuple[float, float, str]]:
        """Start and end [s] and label of everything that is done, without gaps."""
        random, found, at = np.random.default_rng([self.seed, 1]), [], 0.0
        pace = random.uniform(0.75, 1.35)
        for label in self._order(random):
            length = _USUAL_S[label] * pace * random.lognormal(0, 0.5 if label == "wait" else 0.12)
            found.append((at, at + length, label))
            at += length
        return found

    @property
    def seconds(self) -> float:
        return self.steps[-1][1]

    def joints(self, times: np.ndarray) -> np.ndarray:
        """Angles of JOINTS [rad], (T, 5)."""
        angles = self._at(times)[:, [0, 1, 2, 3, 8]] + self._noise(times, 2, 5, 0.002)
        angles[:, 4] = np.remainder(angles[:, 4] + np.pi, 2 * np.pi) - np.pi
        return angles

    def wrench(self, times: np.ndarray) -> np.ndarray:
        """Force [N] and torque [N m] at the bit, (T, 6); a screw chatters as it turns."""
        found = self._at(times)
        chatter = 1 + 0.15 * np.sin(2 * np.pi * 11 * times) * (found[:, 5] > 0.1)
        values = np.zeros((len(times), 6))
        values[:, 2], values[:, 5] = found[:, 4], found[:, 5] * chatter
        bias = np.random.default_rng([self.seed, 3]).normal(0, [1, 1, 2, 0.05, 0.05, 0.05])
        return values + bias + self._noise(times, 4, 6, [0.4, 0.4, 0.6, 0.03, 0.03, 0.03])

    def cells(self, times: np.ndarray) -> np.ndarray:
        """Pressure on CELLS [kPa], (T, 8)."""
        gain = np.random.default_rng([self.seed, 5]).uniform(0.8, 1.2)
        return 20 + gain * self._at(times)[:, 6:8] @ _SHAPES + self._noise(times, 6, 8, 0.4)

    def picture(self, time_s: float) -> Image.Image:
        """The bench from above, 96 x 72: trays, holes, tool."""
        random = np.random.default_rng([self.seed, 7])
        light = random.uniform(0.7, 1.15)
        row = self._at(np.array([time_s]))[0]
        image = Image.new("RGB", (96, 72), tuple(int(light * c) for c in (120, 110, 95)))
        draw = ImageDraw.Draw(image)
        draw.rectangle([54, 10, 90, 62], fill=tuple(int(light * c) for c in (60, 110, 70)))
        for pose, colour in [
            (_SCREWS, "silver"),
            (_WASHERS, "gold"),
            *((h, "black") for h in _HOLES),
        ]:
            draw.ellipse(_box(np.array(pose), 3), fill=colour)
        draw.ellipse(_box(row[:4], 6), fill=(30, 60, 200))
        if row[6] > 0.5:
            draw.ellipse(_box(row[:4], 2), fill=(240, 240, 240))
        return image

    def _order(self, random: np.random.Generator) -> list[str]:
        order = ["wait"]
        for _ in range(self.screws or random.integers(2, 4)):
            order.append("fetch screw")
            order += ["fit washer"] * (random.random() < 0.5) + ["drive screw"]
            order += ["check seat"] * (random.random() < 0.6) + ["wait"] * (random.random() < 0.4)
        return order if order[-1] == "wait" else [*order, "wait"]

    @cached_property
    def _waypoints(self) -> tuple[np.ndarray, np.ndarray]:
        """Times [s] (K,) and states (K, 9): four joints, force, torque, pad twice, bit [rad]."""
        random = np.random.default_rng([self.seed, 8])
        places = {"": _HOME, "S": _SCREWS, "W": _WASHERS}
        places = {name: np.array(p) + random.normal(0, 0.03, 4) for name, p in places.items()}
        times, states, bit, down = [0.0], [[*places[""], 0, 0, 0, 0, 0]], 0.0, _DOWN
        holes = random.permutation(len(_HOLES))
        drives = 0
        for start, end, label in self.steps:
            places["H"] = np.array(_HOLES[holes[drives % len(holes)]])
            for part, place, force, torque, screw, washer, turns in _WAYPOINTS[label]:
                pose = places[place.upper()] + (down if place.islower() else 0)
                times.append(start + part * (end - start))
                states.append([*pose, force, torque, screw, washer, bit + 2 * np.pi * turns])
            bit, drives = states[-1][-1], drives + (label == "drive screw")
        return np.array(times), np.array(states)

    def _at(self, times: np.ndarray) -> np.ndarray:
        """States (T, 9) between the waypoints, which are left and reached gently."""
        at, states = self._waypoints
        index = np.clip(np.searchsorted(at, times, side="right") - 1, 0, len(at) - 2)
        part = np.clip((times - at[index]) / (at[index + 1] - at[index]), 0, 1)[:, None]
        return states[index] + (states[index + 1] - states[index]) * part**2 * (3 - 2 * part)

    def _noise(self, times: np.ndarray, stream: int, width: int, size: object) -> np.ndarray:
        return np.random.default_rng([self.seed, stream]).normal(0, size, (len(times), width))


def _box(pose: np.ndarray, radius: int) -> list[float]:
    """Where the tool is in the picture: the column turns it, shoulder and elbow reach."""
    x, y = 48 + 34 * pose[0], 72 - 60 * (pose[1] + 0.3 * pose[2])
    return [x - radius, y - radius, x + radius, y + radius]
