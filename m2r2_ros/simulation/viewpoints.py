# SPDX-License-Identifier: Apache-2.0
"""Where the external cameras stand and look, recording by recording and day by day."""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np

from m2r2_ros.simulation.board_layout import BOARD_XY_M, KIT_XY_M
from m2r2_ros.simulation.difficulties import day_stream, stream

_WORKSPACE_M = (0.48, 0.0, 0.06)


@dataclass(frozen=True)
class Viewpoint:
    """A camera `distance_m` from what it looks at; azimuth from the base's x axis [degrees]."""

    aim_m: tuple[float, float, float]
    distance_m: float
    azimuth: float
    elevation: float

    def position(self) -> np.ndarray:
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        flat = np.array([np.cos(azimuth), np.sin(azimuth)]) * np.cos(elevation)
        return np.array(self.aim_m) + self.distance_m * np.array([*flat, np.sin(elevation)])


# By the names that the scene gives its cameras: "right" is hama1, "left" is hama2.
NEAR = {
    "right": Viewpoint((*BOARD_XY_M, 0.0), 0.63, -43.0, 49.5),
    "left": Viewpoint((*KIT_XY_M, 0.0), 0.63, 43.0, 49.5),
}
_FAR = {
    "right": Viewpoint(_WORKSPACE_M, 1.15, -35.0, 28.0),
    "left": Viewpoint(_WORKSPACE_M, 1.25, 35.0, 20.0),
}
# In another laboratory: further round and higher up than any other recording has them.
_ROUND, _HIGHER = (25.0, 40.0), (33.0, 40.0)
_DAY_M, _DAY_RAD = 0.05, np.radians(3.0)
_BUMP_M, _BUMP_RAD = 0.004, np.radians(0.3)


def viewpoint_of(camera: str, seed: int, far: bool, other_rig: bool) -> Viewpoint:
    """The place that is meant for a camera."""
    view = (_FAR if far else NEAR)[camera]
    if not other_rig:
        return view
    rng = day_stream(seed, "viewpoint")
    turn = np.sign(view.azimuth) * rng.uniform(*_ROUND)
    return replace(view, azimuth=view.azimuth + turn, elevation=rng.uniform(*_HIGHER))


def moved_by(seed: int, camera: int) -> tuple[np.ndarray, np.ndarray]:
    """How far a tripod is off its place [m] and turned [rad], (3,) each: the day's, and bumps."""
    offset, turn = np.zeros(3), np.zeros(3)
    sources = (
        (day_stream(seed, "camera_moves"), _DAY_M, _DAY_RAD),
        (stream(seed, "camera_moves"), _BUMP_M, _BUMP_RAD),
    )
    for rng, way_m, angle_rad in sources:
        draws = rng.normal(size=(2, 2, 3))[camera]
        offset, turn = offset + way_m * draws[0], turn + angle_rad * draws[1]
    return offset, turn


def looking(position: np.ndarray, aim: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Quaternion of a camera at a place that looks at `aim`, upright but for `turn` (3,) [rad]."""
    back = position - aim
    back = back / np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(back, right), back], axis=1)
    straight, turned, result = np.empty(4), np.empty(4), np.empty(4)
    mujoco.mju_mat2Quat(straight, axes.ravel())
    angle = float(np.linalg.norm(turn))
    mujoco.mju_axisAngle2Quat(turned, turn / (angle or 1.0), angle)
    mujoco.mju_mulQuat(result, straight, turned)
    return result
