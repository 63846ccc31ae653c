# SPDX-License-Identifier: Apache-2.0
"""Episodes on the simulated board, seen and steered as a robot would be: some times a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings
from m2r2_ros.experiments.imitation.tasks import TASKS, Scene, Task
from m2r2_ros.simulation.arm import VERTICAL_N_M
from m2r2_ros.simulation.board_layout import sample_layout
from m2r2_ros.simulation.generate import make_simulator
from m2r2_ros.simulation.objects import BY_NAME
from m2r2_ros.simulation.operator import SQUEEZE_M, Operator, open_width
from m2r2_ros.simulation.rig import TICK_S, Rig
from m2r2_ros.simulation.style import Style

Watch = Callable[[Rig], None]
DEMONSTRATION, TEST = 0, 1
# x, y, z [m], cos and sin of the hand's yaw, opening of the fingers [m], and what the set-point is
# ahead by: x, y, z [m], yaw [rad]; 1 where the fingers are told to close.
PROPRIOCEPTION = 11
# x, y, z [m], yaw [rad], and 1 where the fingers are told to close.
SET_POINT = 5
# Straight to the target, without a detour upwards.
_STYLE = Style(speed_m_s=0.3, travel_height_m=0.0)
_SETTLE_S = 0.3
_BEGINNINGS = 5
_FASTEST_M_S, _FASTEST_RAD_S = 0.5, 1.3
# The search for a hole: how fast its circle grows, and how it pats while it presses.
_PRESSING_N, _SEARCH_M_S, _CIRCLES_HZ, _PATS_HZ = 1.5, 0.5e-3, 0.5, 2.5


@dataclass(frozen=True)
class Observation:
    """`pictures` uint8 (C, H, W, 3); `proprioception` float32 (PROPRIOCEPTION,); `set_point`
    float64 (SET_POINT,) that the arm is following."""

    pictures: np.ndarray
    proprioception: np.ndarray
    set_point: np.ndarray


class Episode:
    """A scene at its beginning; `observe` looks at it, `follow` moves on by one period."""

    def __init__(
        self,
        task: Task,
        scene: Scene,
        look: Callable[[np.ndarray], np.ndarray],
        rate_hz: float,
    ):
        self.task, self.scene, self._look = task, scene, look
        self._ticks = round(1 / rate_hz / TICK_S)
        self._pressed_s = 0.0

    def observe(self) -> Observation:
        """The pictures, the proprioception and the set-point of this moment."""
        arm = self.scene.rig.arm
        place, rotation = arm.position(), arm.rotation()
        cos, sin = rotation[0, 0], rotation[1, 0]
        closing = float(arm.width_set < 0)
        ahead = [*(arm.target - place), _turn(arm.yaw - np.arctan2(sin, cos))]
        felt = [*place, cos, sin, arm.finger_width(), *ahead, closing]
        return Observation(
            self._look(self.scene.rig.cell.data.qpos),
            np.array(felt, np.float32),
            np.array([*arm.target, arm.yaw, closing]),
        )

    def follow(self, set_point: np.ndarray) -> None:
        """Move the arm's set-point straight to this one within a period, at a speed it can keep.

        `set_point` (SET_POINT,). While it presses a part down, the arm circles and pats.
        """
        rig, arm = self.scene.rig, self.scene.rig.arm
        start, seconds = np.array([*arm.target, arm.yaw]), self._ticks * TICK_S
        way = np.asarray(set_point[:4]) - start
        way[3] = _turn(way[3])
        fastest = np.array([_FASTEST_M_S] * 3 + [_FASTEST_RAD_S]) * seconds
        way = np.clip(way, -fastest, fastest)
        arm.velocity, arm.yaw_rate = way[:3] / seconds, float(way[3] / seconds)
        arm.width_set = SQUEEZE_M if set_point[4] > 0.5 else open_width(self.scene.thing)
        for tick in range(1, self._ticks + 1):
            *place, yaw = start + way * tick / self._ticks
            arm.target, arm.yaw = np.array(place) + self._search(place[2]), float(yaw)
            rig.tick()
        # The next way begins here, without the search.
        arm.target = (start + way)[:3]

    def _search(self, height_m: float) -> np.ndarray:
        """The offset of the set-point that searches for a hole, without a look at it.

        The arm circles and pats. A pressed part sticks to the rim, and moves on when it is let up.
        """
        arm, largest_m = self.scene.rig.arm, self.task.settings.search_m
        depth_m = float(arm.position()[2]) - height_m
        pressing = VERTICAL_N_M * depth_m > _PRESSING_N and arm.width_set < 0
        self._pressed_s = self._pressed_s + TICK_S if pressing else 0.0
        if not (self._pressed_s and largest_m):
            return np.zeros(3)
        radius = min(largest_m, _SEARCH_M_S * self._pressed_s)
        angle, pat = 2 * np.pi * np.array([_CIRCLES_HZ, _PATS_HZ]) * self._pressed_s
        up = 0.55 * (1 - np.cos(pat)) * depth_m
        return np.array([radius * np.cos(angle), radius * np.sin(angle), up])


class Environment:
    """One compiled simulator in a room that never changes: light and cameras stay as they are."""

    def __init__(self, settings: ImitationSettings, draw: bool):
        """Raises M2R2Error where MuJoCo or, to `draw`, a GL library is missing."""
        self._settings, self._simulator = settings, make_simulator(draw)
        self._arrangement = sample_layout(np.random.default_rng(settings.arrangement), frozenset())

    def begin(self, task: Task, kind: int, index: int, watch: Watch | None = None) -> Episode:
        """Episode `index` of the demonstrations or of the tests: the same one every time.

        `watch` is called after every physics step. Raises M2R2Error when the scene cannot be set.
        """
        cell, parts = self._simulator.cell, task.settings.parts
        thing = BY_NAME[parts[index % len(parts)]]
        place = [self._settings.seed, list(TASKS).index(task.name), kind, index]
        random = np.random.default_rng(place)
        for _ in range(_BEGINNINGS):
            layout = task.layout(self._arrangement, random)
            cell.reset(layout)
            rig = Rig(cell, watch)
            scene = Scene(rig, Operator(rig, layout, _STYLE, random), layout, thing)
            rig.wait(_SETTLE_S)
            if task.prepare(scene, random):
                return Episode(task, scene, self._camera_view(), self._settings.rate_hz)
        raise M2R2Error(f"{task.name}: episode {index} cannot begin: {thing.name} is never in hand")

    def _camera_view(self) -> Callable[[np.ndarray], np.ndarray]:
        studio, cameras = self._simulator.studio, self._settings.cameras
        if studio is None:
            return lambda _: np.zeros((0, 1, 1, 3), np.uint8)
        still = self._simulator.cell.data.mocap_pos, self._simulator.cell.data.mocap_quat
        room = np.random.default_rng([self._settings.seed, len(TASKS)])
        pictures = studio.watch(still, cameras, room)
        return lambda qpos: np.stack(list(pictures(qpos).values()))


def _turn(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
