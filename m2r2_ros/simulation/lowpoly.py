# SPDX-License-Identifier: Apache-2.0
"""A light-weight look for arm and gears: drawing 145,000 faces costs more than the physics."""

from __future__ import annotations

from collections import defaultdict

import fast_simplification
import mujoco
import numpy as np

_VISUAL_GROUP, _PART_GROUP, _COLLISION_GROUP = 2, 0, 3
_FACES_A_BODY = 700
_FACES_A_PIECE = 16


def simplify_robot(spec, prefix: str) -> None:
    """Replace the visual meshes of the bodies named `prefix...` by one mesh a body and colour."""
    model = spec.compile()
    merged = defaultdict(list)
    for geom in np.flatnonzero(model.geom_group == _VISUAL_GROUP):
        body, material = model.body(model.geom_bodyid[geom]).name, model.geom_matid[geom]
        if not body.startswith(prefix):
            continue
        rgba = model.mat_rgba[material] if material >= 0 else model.geom_rgba[geom]
        merged[body, tuple(np.round(rgba.astype(float), 4))].append(_piece(model, geom))
    for body in spec.bodies:
        if body.name.startswith(prefix):
            _delete(spec, body, _VISUAL_GROUP)
    for index, ((body_name, rgba), pieces) in enumerate(sorted(merged.items())):
        mesh = _fewer_faces(*_joined(pieces), _FACES_A_BODY)
        _add_mesh(spec, spec.body(body_name), f"{prefix}low{index}", rgba, mesh, _VISUAL_GROUP)


def simplify_parts(spec, names: list[str]) -> None:
    """Redraw parts that touch with many convex pieces (gears: their teeth) in simpler pieces."""
    model = spec.compile()
    for name in names:
        of_part = model.geom_bodyid == model.body(name).id
        touching = np.flatnonzero(of_part & (model.geom_group == _COLLISION_GROUP))
        pieces = [_fewer_faces(*_piece(model, geom), _FACES_A_PIECE) for geom in touching]
        rgba = model.geom_rgba[touching[0]]
        _delete(spec, spec.body(name), _PART_GROUP)
        _add_mesh(spec, spec.body(name), f"{name}_low", rgba, _joined(pieces), _PART_GROUP)


def _delete(spec, body, group: int) -> None:
    for geom in list(body.geoms):
        if geom.group == group:
            spec.delete(geom)


def _piece(model, geom: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) in the body's frame and faces (F, 3) of a mesh geom."""
    mesh = model.geom_dataid[geom]
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count].astype(float)
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    vertices = vertices @ rotation.reshape(3, 3).T + model.geom_pos[geom]
    return vertices, model.mesh_face[first : first + count]


def _joined(pieces) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0] + [len(vertices) for vertices, _ in pieces])
    vertices = np.concatenate([vertices for vertices, _ in pieces])
    return vertices, np.concatenate([f + o for (_, f), o in zip(pieces, offsets, strict=False)])


def _fewer_faces(vertices, faces, most: int) -> tuple[np.ndarray, np.ndarray]:
    """A mesh of about `most` faces at most that looks alike."""
    if len(faces) <= most:
        return vertices, faces
    # The compiled mesh has a vertex for every normal: unwelded, it would fall to pieces.
    vertices, welded = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
    faces = welded.reshape(-1)[faces]
    return fast_simplification.simplify(
        vertices.astype(np.float32), faces.astype(np.int32), 1 - most / len(faces)
    )


def _add_mesh(spec, body, name: str, rgba, mesh, group: int) -> None:
    vertices, faces = mesh
    spec.add_mesh(
        name=name,
        uservert=np.ravel(vertices).astype(float).tolist(),
        userface=np.ravel(faces).astype(int).tolist(),
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
    )
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        rgba=rgba,
        contype=0,
        conaffinity=0,
        group=group,
        density=0,
        mass=0,
    )
