# SPDX-License-Identifier: Apache-2.0
"""A light-weight look for the arm: drawing its 135,000 faces costs more than the physics."""

from __future__ import annotations

from collections import defaultdict

import fast_simplification
import mujoco
import numpy as np

_VISUAL_GROUP = 2
_FACES_A_BODY = 1500


def simplify_robot(spec, prefix: str) -> None:
    """Replace the visual meshes of the bodies named `prefix...` by one mesh a body and colour."""
    model = spec.compile()
    merged = _visual_meshes(model, prefix)
    for body in spec.bodies:
        if body.name.startswith(prefix):
            for geom in list(body.geoms):
                if geom.group == _VISUAL_GROUP:
                    spec.delete(geom)
    for index, ((body_name, rgba), pieces) in enumerate(sorted(merged.items())):
        _add_mesh(spec, spec.body(body_name), f"{prefix}low{index}", rgba, pieces)


def _visual_meshes(model, prefix: str) -> dict:
    merged = defaultdict(list)
    for geom in np.flatnonzero(model.geom_group == _VISUAL_GROUP):
        body = model.body(model.geom_bodyid[geom]).name
        if not body.startswith(prefix):
            continue
        material = model.geom_matid[geom]
        rgba = model.mat_rgba[material] if material >= 0 else model.geom_rgba[geom]
        merged[body, tuple(np.round(rgba.astype(float), 4))].append(_piece(model, geom))
    return merged


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


def _add_mesh(spec, body, name: str, rgba, pieces) -> None:
    offsets = np.cumsum([0] + [len(vertices) for vertices, _ in pieces])
    vertices = np.concatenate([vertices for vertices, _ in pieces])
    faces = np.concatenate([f + o for (_, f), o in zip(pieces, offsets, strict=False)])
    if len(faces) > _FACES_A_BODY:
        # The compiled mesh has a vertex for every normal: unwelded, it would fall to pieces.
        vertices, welded = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
        faces = welded.reshape(-1)[faces]
        reduction = 1 - _FACES_A_BODY / len(faces)
        vertices, faces = fast_simplification.simplify(
            vertices.astype(np.float32), faces.astype(np.int32), reduction
        )
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
        group=_VISUAL_GROUP,
        density=0,
        mass=0,
    )
