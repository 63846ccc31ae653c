# SPDX-License-Identifier: Apache-2.0
"""Things that are drawn and nothing else: no body of the physics knows of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import mujoco
import numpy as np

BOX, CYLINDER = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER
ELLIPSOID, CAPSULE = mujoco.mjtGeom.mjGEOM_ELLIPSOID, mujoco.mjtGeom.mjGEOM_CAPSULE


@dataclass(frozen=True)
class Shape:
    """A solid of half sizes [m] at a position [m], turned about the vertical."""

    kind: mujoco.mjtGeom
    half_sizes: tuple[float, float, float]
    position: tuple[float, float, float]
    yaw: float
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class Limb:
    """A capsule of a radius [m] from one point (3,) [m] to another."""

    start: np.ndarray
    end: np.ndarray
    radius: float
    rgb: tuple[float, float, float]


def put(scene: mujoco.MjvScene, things: Iterable[Shape | Limb]) -> None:
    """Add things to a scene that was just updated."""
    for thing in things:
        geom = scene.geoms[scene.ngeom]
        rgba = np.array([*thing.rgb, 1.0], dtype=np.float32)
        if isinstance(thing, Limb):
            mujoco.mjv_initGeom(geom, CAPSULE, np.zeros(3), np.zeros(3), np.eye(3).ravel(), rgba)
            mujoco.mjv_connector(geom, CAPSULE, thing.radius, thing.start, thing.end)
        else:
            size, position = np.array(thing.half_sizes), np.array(thing.position)
            mujoco.mjv_initGeom(geom, thing.kind, size, position, _about_z(thing.yaw), rgba)
        scene.ngeom += 1


def chain(points: np.ndarray, radius: float, rgb: tuple[float, float, float]) -> list[Limb]:
    """Capsules from each point (N, 3) to the next."""
    return [Limb(a, b, radius, rgb) for a, b in pairwise(points)]


def _about_z(yaw: float) -> np.ndarray:
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([cos, -sin, 0.0, sin, cos, 0.0, 0.0, 0.0, 1.0])
