# SPDX-License-Identifier: Apache-2.0
"""The raw tape of a run: what ideal sensors saw, on the grids of the physics.

Noise, delays and clocks are added later (sensors.py), sound and pictures are made later (sounds.py,
cameras.py): a run needs no GL library, and need not be repeated when a sensor model changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MATERIALS = ("wood", "acrylic", "steel", "nylon", "plastic", "finger", "arm")


@dataclass(frozen=True)
class Tape:
    """What happened, on two grids: row i of an array was taken (i + 1) steps after the start.

    Every `step_s`:
    wrench        (N, 6) force on the hand [N] and torque [N m], hand frame, weight removed.
    impact        (N, len(MATERIALS)) contact force on each material [N].
    scrape        (N, len(MATERIALS)) friction power of the part in hand, force times sliding speed,
                  on its own material and on those that it slides over [W].
    click         (N,) force of a connector's latch on the plug, upwards [N].
    Every `tick_s`:
    rotation      (T, 3, 3) of the hand in the base frame.
    arm           (T, 21) joint positions, velocities, torques.
    fingers       (T, 6) finger positions [m], speeds [m/s] and motor forces [N].
    tool          (T, 13) tool centre x, y, z, qx, qy, qz, qw and twist (linear, angular).
    Every `scene_s`, from the start:
    scenes        (S, nq) generalised positions, to draw from.
    """

    wrench: np.ndarray
    impact: np.ndarray
    scrape: np.ndarray
    click: np.ndarray
    rotation: np.ndarray
    arm: np.ndarray
    fingers: np.ndarray
    tool: np.ndarray
    scenes: np.ndarray
    step_s: float
    tick_s: float
    scene_s: float

    @property
    def duration_s(self) -> float:
        return len(self.wrench) * self.step_s
