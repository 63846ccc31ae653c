# SPDX-License-Identifier: Apache-2.0
"""The raw tape of a run: what the ideal sensors saw, on the grid of the physics.

Noise, delays and clocks are added later (sensors.py), pictures are drawn later (cameras.py): a
run needs neither a GL library nor to be repeated when a sensor model changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from .objects import OBJECTS
from .rig import Rig
from .scene import HAND
from .workcell import Workcell

MATERIALS = ("wood", "acrylic", "steel", "nylon", "plastic", "finger", "arm")
_FRAME_GRID_STEPS = 10  # the scene is kept every 10 ms; frames are drawn from the nearest


@dataclass(frozen=True)
class Tape:
    """Arrays on one grid: row i was taken `step_s` * (i + 1) after the start.

    wrench        (N, 6) force on the hand [N] and torque [N m], hand frame, weight removed.
    rotation      (N, 3, 3) of the hand in the base frame.
    impact        (N, len(MATERIALS)) contact force on each material [N].
    scrape        (N,) friction power of the part in hand: force times sliding speed [W].
    arm           (N, 21) joint positions, velocities, torques.
    fingers       (N, 4) finger positions [m] and speeds [m/s].
    tool          (N, 13) tool centre x, y, z, qx, qy, qz, qw and twist (linear, angular).
    scene_states  (M, nq) generalised positions every `scene_every` rows.
    """

    step_s: float
    wrench: np.ndarray
    rotation: np.ndarray
    impact: np.ndarray
    scrape: np.ndarray
    arm: np.ndarray
    fingers: np.ndarray
    tool: np.ndarray
    scene_states: np.ndarray
    scene_every: int = _FRAME_GRID_STEPS

    @property
    def duration_s(self) -> float:
        return len(self.wrench) * self.step_s


class Recorder:
    """Call it with the rig after every physics step; `tape()` gives the result."""

    def __init__(self, cell: Workcell):
        model = cell.model
        self._cell = cell
        self._material = geom_materials(cell)
        still = model.body_weldid == 0
        still |= model.body_mocapid[model.body_rootid] >= 0
        self._still, self._bodies = still, model.geom_bodyid
        self._hand = model.body(HAND).id
        self._weight_n = float(model.body_subtreemass[self._hand] * -model.opt.gravity[2])
        hand_bodies = [self._hand, *cell.finger_bodies]
        mass = model.body_mass[hand_bodies]
        self._balance = mass / mass.sum(), hand_bodies
        self._rows: list[np.ndarray] = []
        self._scenes: list[np.ndarray] = []

    def __call__(self, rig: Rig) -> None:
        cell, data = self._cell, self._cell.data
        impact, grip = self._contacts()
        speed = 0.0
        if cell.active:
            first = cell.dof[cell.active.part]
            speed = float(
                np.sqrt(np.dot(data.qvel[first : first + 3], data.qvel[first : first + 3]))
            )
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, data.site_xmat[cell.tool_site])
        self._rows.append(
            np.concatenate(
                [
                    self._wrench(),
                    data.site_xmat[cell.tool_site],
                    impact,
                    [grip * speed],
                    data.qpos[cell.arm_qpos],
                    data.qvel[cell.arm_dof],
                    data.ctrl[cell.arm_actuators],
                    data.qpos[cell.finger_qpos],
                    data.qvel[cell.finger_dof],
                    data.site_xpos[cell.tool_site],
                    quaternion[[1, 2, 3, 0]],
                    rig.arm.twist(),
                ]
            )
        )
        if len(self._rows) % _FRAME_GRID_STEPS == 1:
            self._scenes.append(data.qpos.copy())

    def tape(self) -> Tape:
        rows = np.array(self._rows)
        widths = (6, 9, len(MATERIALS), 1, 21, 4, 13)
        parts = np.split(rows, np.cumsum(widths)[:-1], axis=1)
        wrench, rotation, impact, scrape, arm, fingers, tool = parts
        return Tape(
            self._cell.model.opt.timestep,
            wrench,
            rotation.reshape(-1, 3, 3),
            impact,
            scrape[:, 0],
            arm,
            fingers,
            tool,
            np.array(self._scenes),
        )

    def _wrench(self) -> np.ndarray:
        """What the world does to the hand: minus what the flange does, minus the hand's weight."""
        data = self._cell.data
        rotation = data.site_xmat[self._cell.tool_site].reshape(3, 3)
        weight = rotation.T @ [0.0, 0.0, -self._weight_n]
        shares, bodies = self._balance
        lever = rotation.T @ (shares @ data.xipos[bodies] - data.xpos[self._hand])
        return -data.sensordata[:6] - np.concatenate([weight, np.cross(lever, weight)])

    def _contacts(self) -> tuple[np.ndarray, float]:
        """Normal force on each material, and between the part in hand and what stands still."""
        data = self._cell.data
        if not data.ncon:
            return np.zeros(len(MATERIALS)), 0.0
        geoms, address = data.contact.geom, data.contact.efc_address
        force = np.where(address >= 0, data.efc_force[np.maximum(address, 0)], 0.0)
        materials = self._material[geoms]
        impact = np.bincount(materials[:, 0], force, len(MATERIALS))
        impact += np.bincount(materials[:, 1], force, len(MATERIALS))
        if not self._cell.active:
            return impact, 0.0
        bodies = self._bodies[geoms]
        held = (bodies == self._cell.body[self._cell.active.part]).any(axis=1)
        rubbing = held & self._still[bodies].any(axis=1)
        return impact, float(force[rubbing].sum())


def geom_materials(cell: Workcell) -> np.ndarray:
    """Index into MATERIALS for every geom."""
    model = cell.model
    of_part = {thing.part: thing.material for thing in OBJECTS}
    materials = []
    for geom in range(model.ngeom):
        name = model.body(model.geom_bodyid[geom]).name
        part = next((p for p in of_part if name.startswith(p)), None)
        if name.startswith("panda/"):
            material = "finger" if "finger" in name else "arm"
        elif part is None:
            material = "acrylic" if name == "board" else "wood"
        elif name.endswith("_pocket"):
            material = "plastic"
        elif name.endswith("_fixture"):
            material = _fixture_material(of_part[part], part)
        else:
            material = of_part[part]
        materials.append(MATERIALS.index(material))
    return np.array(materials)


def _fixture_material(material: str, part: str) -> str:
    if part.startswith("peg"):
        return "acrylic"  # a hole in the plate
    return "plastic" if material == "plastic" else "steel"
