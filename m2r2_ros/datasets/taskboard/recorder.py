# SPDX-License-Identifier: Apache-2.0
"""Writes the tape of a run, step by step."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from .objects import OBJECTS
from .rig import TICK_S, Rig
from .scene import HAND
from .tape import MATERIALS, Tape
from .workcell import STEP_S, Workcell

_STEPS_A_TICK = round(TICK_S / STEP_S)
_STEPS_A_SCENE = 10  # frames are drawn from the nearest scene


class Recorder:
    """Call it with the rig after every physics step; `tape()` gives the result."""

    def __init__(self, cell: Workcell):
        model = cell.model
        self._cell = cell
        self._material = geom_materials(cell)
        still = model.body_weldid == 0
        still |= model.body_mocapid[model.body_rootid] >= 0
        self._still, self._bodies = still, model.geom_bodyid
        self._steps: list[np.ndarray] = []
        self._ticks: list[np.ndarray] = []
        self._scenes: list[np.ndarray] = []

    def __call__(self, rig: Rig) -> None:
        data = self._cell.data
        if len(self._steps) % _STEPS_A_SCENE == 0:
            self._scenes.append(data.qpos.copy())
        impact, scrape = self._contacts()
        self._steps.append(np.concatenate([data.sensordata[:6], impact, scrape, [self._click()]]))
        if len(self._steps) % _STEPS_A_TICK == 0:
            self._ticks.append(self._motion(rig))

    def tape(self) -> Tape:
        kinds = len(MATERIALS)
        sensors, impact, scrape, click = _split(self._steps, 6, kinds, kinds, 1)
        rotation, arm, fingers, position, twist = _split(self._ticks, 9, 21, 6, 3, 6)
        rotation = rotation.reshape(-1, 3, 3)
        quaternion = Rotation.from_matrix(rotation).as_quat()
        tool = np.concatenate([position, quaternion, twist], axis=1)
        wrench = self._outside_wrench(sensors, np.repeat(rotation, _STEPS_A_TICK, axis=0))
        scenes = np.array(self._scenes)
        return Tape(
            wrench,
            impact,
            scrape,
            click[:, 0],
            rotation,
            arm,
            fingers,
            tool,
            scenes,
            step_s=STEP_S,
            tick_s=TICK_S,
            scene_s=_STEPS_A_SCENE * STEP_S,
        )

    def _motion(self, rig: Rig) -> np.ndarray:
        cell, data = self._cell, self._cell.data
        return np.concatenate(
            [
                data.site_xmat[cell.tool_site],
                data.qpos[cell.arm_qpos],
                data.qvel[cell.arm_dof],
                data.ctrl[cell.arm_actuators] + data.qfrc_gravcomp[cell.arm_dof],
                data.qpos[cell.finger_qpos],
                data.qvel[cell.finger_dof],
                data.qfrc_actuator[cell.finger_dof],
                data.site_xpos[cell.tool_site],
                rig.arm.twist(),
            ]
        )

    def _outside_wrench(self, flange: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """What the world does to the hand: minus what the flange does, minus the hand's weight."""
        model, data = self._cell.model, self._cell.data
        hand = model.body(HAND).id
        weight_n = -model.opt.gravity[2] * model.body_subtreemass[hand]
        weight = -weight_n * rotation[:, 2]
        frame = data.xmat[hand].reshape(3, 3)
        lever = frame.T @ (data.subtree_com[hand] - data.xpos[hand])
        return -flange - np.concatenate([weight, np.cross(lever, weight)], axis=1)

    def _click(self) -> float:
        cell = self._cell
        return cell.data.xfrc_applied[cell.body[cell.active.part], 2] if cell.active else 0.0

    def _contacts(self) -> tuple[np.ndarray, np.ndarray]:
        """Normal force on each material, and the friction power on each of the part in hand."""
        cell, data = self._cell, self._cell.data
        if not data.ncon:
            return np.zeros(len(MATERIALS)), np.zeros(len(MATERIALS))
        geoms, address = data.contact.geom, data.contact.efc_address
        force = np.where(address >= 0, data.efc_force[np.maximum(address, 0)], 0.0)
        materials = self._material[geoms]
        impact = _on_materials(materials, force)
        if not cell.active:
            return impact, np.zeros(len(MATERIALS))
        bodies = self._bodies[geoms]
        held = (bodies == cell.body[cell.active.part]).any(axis=1)
        rubbing = held & self._still[bodies].any(axis=1)
        first = cell.dof[cell.active.part]
        velocity = data.qvel[first : first + 3]
        speed = np.sqrt(velocity @ velocity)
        return impact, speed * _on_materials(materials[rubbing], force[rubbing])


def _on_materials(materials: np.ndarray, force: np.ndarray) -> np.ndarray:
    """Sum of the contacts' forces (n,) on each material, of pairs (n, 2)."""
    return np.bincount(materials.ravel(), np.repeat(force, 2), len(MATERIALS))


def _split(rows: list[np.ndarray], *widths: int) -> list[np.ndarray]:
    return np.split(np.array(rows), np.cumsum(widths)[:-1], axis=1)


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
