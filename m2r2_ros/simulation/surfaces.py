# SPDX-License-Identifier: Apache-2.0
"""Surfaces that table and board can have: small pictures, made from seeded noise."""

from __future__ import annotations

import mujoco
import numpy as np
from scipy.ndimage import gaussian_filter

COUNT = 8
_PX = 128
_REPEAT = 3.0
_SEED = 7


def surface_name(index: int) -> str:
    return f"surface{index}"


def add_surfaces(spec) -> None:
    """Put all surfaces into a model, where nothing has them yet."""
    for index in range(COUNT):
        name = surface_name(index)
        kind = mujoco.mjtTexture.mjTEXTURE_2D
        texture = spec.add_texture(name=name, type=kind, width=_PX, height=_PX, nchannel=3)
        texture.data = surface(index).tobytes()
        material = spec.add_material(name=name, texrepeat=[_REPEAT, _REPEAT], texuniform=True)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def surface(index: int) -> np.ndarray:
    """A picture (_PX, _PX, 3) uint8, bright, to be multiplied with a colour; it tiles."""
    rng = np.random.default_rng([_SEED, index])
    kind = (_wood, _cloth, _speckles, _scratches)[index % 4]
    level = np.clip(kind(rng), 0, 1)[..., None]
    tone = rng.uniform(0.85, 1.0, 3)
    return (255 * level * tone).astype(np.uint8)


def _noise(rng: np.random.Generator, across: float, along: float) -> np.ndarray:
    """Smooth noise (_PX, _PX) of unit spread."""
    smooth = gaussian_filter(rng.normal(size=(_PX, _PX)), (across, along), mode="wrap")
    return smooth / smooth.std()


def _wood(rng: np.random.Generator) -> np.ndarray:
    return 0.75 + 0.13 * _noise(rng, 1.5, 30) + 0.05 * _noise(rng, 0.7, 8)


def _cloth(rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.indices((_PX, _PX))
    period = 8 if rng.uniform() < 0.5 else 16
    weave = ((rows // period + columns // period) % 2) * rng.uniform(0.15, 0.45)
    return 0.6 + weave + 0.06 * _noise(rng, 1, 1)


def _speckles(rng: np.random.Generator) -> np.ndarray:
    return 0.8 + 0.2 * np.minimum(0.0, _noise(rng, 1.2, 1.2)) + 0.06 * _noise(rng, 12, 12)


def _scratches(rng: np.random.Generator) -> np.ndarray:
    lines = np.maximum(0, _noise(rng, 0.5, 14) - 2) + np.maximum(0, _noise(rng, 14, 0.5) - 2)
    return 0.85 - 0.3 * lines + 0.04 * _noise(rng, 20, 20)
