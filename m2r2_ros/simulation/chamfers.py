# SPDX-License-Identifier: Apache-2.0
"""Lead-in chamfers on pegs, plug noses, shafts and posts.

The parts of the simulator have sharp edges; the real ones do not, and without a lead-in a radial
clearance of 0.1 mm makes every insertion a search. A chamfer shortens the primitive and closes
the gap with a frustum, so the length of the part does not change.
"""

from __future__ import annotations

import mujoco
import numpy as np

_SIDES = 24


def chamfer_cylinder(spec, body, geom, depth: float, ends: tuple[int, ...]) -> None:
    """Cut `depth` metres at 45 degrees off the ends (-1: bottom, +1: top) of a cylinder."""
    angle = 2 * np.pi * np.arange(_SIDES) / _SIDES
    outline = geom.size[0] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    _chamfer(spec, body, geom, outline, 1 - depth / geom.size[0], geom.size[1], depth, ends)
    geom.size[1] -= depth * len(ends) / 2


def chamfer_box(spec, body, geom, depth: float, ends: tuple[int, ...]) -> None:
    """Cut `depth` metres at 45 degrees off the ends (-1: bottom, +1: top) of an upright box."""
    half = np.array(geom.size[:2])
    outline = half * np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    _chamfer(spec, body, geom, outline, 1 - depth / half, geom.size[2], depth, ends)
    geom.size[2] -= depth * len(ends) / 2


def chamfer_prism(spec, body, geom, depth: float) -> None:
    """Cut `depth` metres off the top of a convex prism."""
    points = np.reshape(spec.mesh(geom.meshname).uservert, (-1, 3))
    lower, upper = points[: len(points) // 2], points[len(points) // 2 :].copy()
    middle = lower[:, :2].mean(axis=0)
    waist = upper - [0, 0, depth]
    upper[:, :2] -= depth * np.sign(upper[:, :2] - middle)
    name = f"{geom.meshname}_chamfered"
    hull = np.concatenate([lower, waist, upper])
    spec.add_mesh(name=name, uservert=hull.ravel().tolist())
    geom.meshname = name


def _chamfer(spec, body, geom, outline, shrink, half_height, depth, ends) -> None:
    centre = np.array(geom.pos)
    for end in ends:
        waist, tip = (centre[2] + end * (half_height - d) for d in (depth, 0.0))
        hull = np.concatenate(
            [
                np.c_[outline + centre[:2], np.full(len(outline), waist)],
                np.c_[outline * shrink + centre[:2], np.full(len(outline), tip)],
            ]
        )
        name = f"{body.name}_chamfer{len(body.geoms)}"
        spec.add_mesh(name=name, uservert=hull.ravel().tolist())
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=name,
            density=geom.density,
            friction=geom.friction,
            rgba=geom.rgba,
            group=3,
        )
    geom.pos = centre - [0, 0, depth * sum(ends) / 2]
