# SPDX-License-Identifier: Apache-2.0
"""The arm at work in the cell: smooth moves and gripper commands, recorded as they happen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from m2r2_ros.simulation.arm import VERTICAL_N_M, Arm
from m2r2_ros.simulation.journal import Journal
from m2r2_ros.simulation.objects import BoardObject
from m2r2_ros.simulation.workcell import STEP_S, Workcell

_STEPS_A_TICK = 2
TICK_S = _STEPS_A_TICK * STEP_S
_PEAK_OF_MEAN = 1.875  # peak over mean speed of a minimum-jerk move
_SHORTEST_MOVE_S = 0.25
_SIDEWAYS = (0.15, 0.85)  # share of an arching move in which it goes sideways and turns
_FASTEST_TURN_RAD_S = 1.3  # the last joints have to keep below 2.61 rad/s


class Rig:
    """Moves block until done; `observe` is called after every physics step, `tick` after two."""

    def __init__(self, cell: Workcell, observe: Callable[[Rig], None] | None = None):
        self.cell, self.arm, self.journal = cell, Arm(cell), Journal()
        self._observe = observe

    @property
    def time_s(self) -> float:
        return float(self.cell.data.time)

    def attend(self, thing: BoardObject) -> None:
        """Get ready to handle this part: its thread or latch, and a grip that suits its weight."""
        cell = self.cell
        cell.attend(thing)
        self.arm.grip_gently(float(cell.model.body_mass[cell.body[thing.part]]))

    def tick(self) -> None:
        """One control period: `TICK_S` of physics."""
        self.arm.command(TICK_S)
        for _ in range(_STEPS_A_TICK):
            self.cell.step()
            if self._observe:
                self._observe(self)

    def wait(self, seconds: float) -> None:
        self.arm.velocity, self.arm.yaw_rate = np.zeros(3), 0.0
        for _ in range(round(seconds / TICK_S)):
            self.tick()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Tick until the condition holds; False after `timeout_s`."""
        deadline = self.time_s + timeout_s
        while not condition():
            if self.time_s >= deadline:
                return False
            self.tick()
        return True

    def move(
        self,
        position: np.ndarray,
        yaw: float,
        speed: float,
        arch_m: float | None = None,
        stop: Callable[[], bool] | None = None,
        tilt: np.ndarray | None = None,
        bend: float = 0.0,
    ) -> bool:
        """Minimum-jerk move of the set-point at a peak of `speed` m/s, slower if it turns far
        or if a joint comes near its limit of speed.

        With `arch_m`, rise to that height first and descend last, blending into the sideways
        move, and bend aside by `bend` of the way there (to the left if positive). The hand ends
        tilted by `tilt` (2,) rad about the base's x and y, None: upright.
        Returns True if `stop` ended it.
        """
        arm = self.arm
        start, start_yaw = arm.target.copy(), arm.yaw
        delta, turn = np.asarray(position) - start, yaw - start_yaw
        start_tilt, lean = arm.tilt, (np.zeros(2) if tilt is None else tilt) - arm.tilt
        way, turning_s = np.linalg.norm(delta), _PEAK_OF_MEAN / _FASTEST_TURN_RAD_S * abs(turn)
        if arch_m is not None:
            top = max(arch_m, start[2], position[2])
            way = np.hypot(np.linalg.norm(delta[:2]), 0.8 * (2 * top - start[2] - position[2]))
            turning_s /= _SIDEWAYS[1] - _SIDEWAYS[0]
        duration = max(_SHORTEST_MOVE_S, _PEAK_OF_MEAN / speed * way, turning_s)
        phase = 0.0
        while phase < 1.0:
            phase = min(1.0, phase + arm.ease_off() * TICK_S / duration)
            previous = arm.target
            if arch_m is None:
                target = start + _ease(phase) * delta
                sideways = phase
            else:
                sideways = (phase - _SIDEWAYS[0]) / (_SIDEWAYS[1] - _SIDEWAYS[0])
                target = start + _ease(sideways) * delta
                target[:2] += bend * _bulge(sideways) * np.array([-delta[1], delta[0]])
                target[2] = _arch(phase, start[2], top, position[2])
            new_yaw = start_yaw + _ease(sideways) * turn
            arm.velocity, arm.yaw_rate = (target - previous) / TICK_S, (new_yaw - arm.yaw) / TICK_S
            arm.target, arm.yaw = target, new_yaw
            if lean.any():
                arm.tilt = start_tilt + _ease(phase) * lean
            self.tick()
            if stop and stop():
                arm.velocity, arm.yaw_rate = np.zeros(3), 0.0
                return True
        arm.velocity, arm.yaw_rate = np.zeros(3), 0.0
        return False

    def pressing_n(self) -> float:
        """How hard the arm's spring presses downwards."""
        return VERTICAL_N_M * float(self.arm.position()[2] - self.arm.target[2])

    def press(self, speed: float, limit_n: float) -> None:
        """Lower the set-point for one tick at `speed` m/s, never pressing harder than the limit."""
        arm = self.arm
        floor = arm.position()[2] - limit_n / VERTICAL_N_M
        arm.target = arm.target.copy()
        arm.target[2] = max(arm.target[2] - speed * TICK_S, floor)
        self.tick()

    def pull(self, speed: float, limit_n: float) -> None:
        """Raise the set-point for one tick, never pulling harder than the limit."""
        arm = self.arm
        ceiling = arm.position()[2] + limit_n / VERTICAL_N_M
        arm.target = arm.target.copy()
        arm.target[2] = min(arm.target[2] + speed * TICK_S, ceiling)
        self.tick()


def _ease(phase: float) -> float:
    """Minimum-jerk progress, 0 to 1."""
    s = min(max(phase, 0.0), 1.0)
    return s * s * s * (10 + s * (6 * s - 15))


def _arch(phase: float, start: float, top: float, end: float) -> float:
    """Height on the way up to the top and down again."""
    return start + _ease(phase / 0.5) * (top - start) + _ease((phase - 0.5) / 0.5) * (end - top)


def _bulge(phase: float) -> float:
    """From 0 to 1 half way and back to 0, at rest at both ends."""
    s = min(max(phase, 0.0), 1.0)
    return 16 * s * s * (1 - s) * (1 - s)
