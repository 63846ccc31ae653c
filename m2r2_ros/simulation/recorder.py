# SPDX-License-Identifier: Apache-2.0
"""Writes the tape of a run, step by step."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from m2r2_ros.simulation.objects import OBJECTS
from m2r2_ros.simulation.rig import TICK_S, Rig
from m2r2_ros.simulation.scene import HAND
from m2r2_ros.simulation.tape import MATERIALS, Tape
from m2r2_ros.simulation.workcell import STEP_S, Workcell

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
        self._sensors = cell.data.sensordata[:6]
        self._steps: list[np.ndarray] = []
        self._contacts = _Contacts()
        self._ticks: list[np.ndarray] = []
        self._scenes: list[np.ndarray] = []

    def __call__(self, rig: Rig) -> None:
        data, step = self._cell.data, len(self._steps)
        if step % _STEPS_A_SCENE == 0:
            self._scenes.append(data.qpos.copy())
        self._steps.append(self._step())
        if data.ncon:
            self._contacts.note(step, data)
        if (step + 1) % _STEPS_A_TICK == 0:
            self._ticks.append(self._motion(rig))

    def tape(self) -> Tape:
        sensors, click, held, velocity = _split(self._steps, 6, 1, 1, 3)
        impact, scrape = self._felt(held[:, 0].astype(int), np.linalg.norm(velocity, axis=1))
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

    def _step(self) -> np.ndarray:
        """The wrist's sensors; of the part attended to, its latch's force, body and velocity."""
        cell, data = self._cell, self._cell.data
        row = np.empty(11)
        row[:6] = self._sensors
        row[6:] = _NO_PART
        if cell.active:
            name = cell.active.part
            first = cell.dof[name]
            row[7] = body = cell.body[name]
            row[6], row[8:] = data.xfrc_applied[body, 2], data.qvel[first : first + 3]
        return row

    def _felt(self, held: np.ndarray, speed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Normal force on each material, and the friction power on each of the part in hand.

        `held` (N,) bodies and `speed` (N,) [m/s] give (N, len(MATERIALS)) each.
        """
        step, geoms, force = self._contacts.all()
        materials, bodies = self._material[geoms], self._bodies[geoms]
        impact = _on_materials(step, materials, force, len(held))
        rubbing = (bodies == held[step, None]).any(axis=1) & self._still[bodies].any(axis=1)
        power = force[rubbing] * speed[step[rubbing]]
        return impact, _on_materials(step[rubbing], materials[rubbing], power, len(held))


class _Contacts:
    """Every contact of every step, as MuJoCo has them: sorting them out can wait for the end."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._geoms: list[np.ndarray] = []
        self._addresses: list[np.ndarray] = []
        self._forces: list[np.ndarray] = []

    def note(self, step: int, data) -> None:
        contact = data.contact
        self._steps.append(step)
        self._geoms.append(contact.geom.copy())
        self._addresses.append(contact.efc_address.copy())
        self._forces.append(data.efc_force.copy())

    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step (C,), pair of geoms (C, 2) and normal force (C,) of each contact that presses."""
        if not self._steps:
            return np.zeros(0, int), np.zeros((0, 2), int), np.zeros(0)
        counts = [len(addresses) for addresses in self._addresses]
        before = np.cumsum([0, *map(len, self._forces[:-1])])
        step = np.repeat(self._steps, counts)
        address = np.concatenate(self._addresses)
        active = address >= 0
        rows = (address + np.repeat(before, counts))[active]
        force = np.concatenate(self._forces)[rows]
        return step[active], np.concatenate(self._geoms)[active], force


_NO_PART = (0.0, -1.0, 0.0, 0.0, 0.0)


def _on_materials(step, materials, force, steps: int) -> np.ndarray:
    """Sum of the contacts' forces (C,) on each material, of pairs (C, 2), at each step."""
    kinds = len(MATERIALS)
    rows = step[:, None] * kinds + materials
    summed = np.bincount(rows.ravel(), np.repeat(force, 2), steps * kinds)
    return summed.reshape(steps, kinds)


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
