# SPDX-License-Identifier: Apache-2.0
"""The difficulties of taskboard-sim v2 by name, each with random numbers of its own.

docs/taskboard_sim_v2.md says what each is and where its values come from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error, brief, nearest_name

MOTION = ("pace", "manner", "mistakes", "pauses", "places")
PICTURES = ("viewpoint", "camera_moves", "lights", "textures", "clutter", "hands", "cables")
SENSES = ("rates", "wrist", "noise", "clocks")
# Random streams go by position: a new name is appended.
DIFFICULTIES = (*MOTION, *PICTURES, *SENSES)
ALL = "all"
RECORDINGS_A_DAY = 10

# Keys of random streams, beyond those that a recording without difficulties spawns.
_FIRST_KEY, _FIRST_DAY_KEY = 1000, 2000


def chosen(entries: Any) -> tuple[str, ...]:
    """The difficulties of a recipe's list, in the order of DIFFICULTIES.

    `all` stands for every one, `-name` takes one away. Raises M2R2Error.
    """
    if not isinstance(entries, list):
        raise M2R2Error(f"difficulties must be a list, as [all, -clutter], not {brief(entries)}")
    found: set[str] = set()
    for entry in map(str, entries):
        name = entry.removeprefix("-")
        if name not in (ALL, *DIFFICULTIES):
            raise M2R2Error(f"difficulties has no '{name}'{nearest_name(name, DIFFICULTIES)}")
        names = set(DIFFICULTIES) if name == ALL else {name}
        found = found - names if entry.startswith("-") else found | names
    return tuple(name for name in DIFFICULTIES if name in found)


def stream(seed: int, difficulty: str) -> np.random.Generator:
    """A recording's random numbers for one difficulty: independent of what else is switched on."""
    key = _FIRST_KEY + DIFFICULTIES.index(difficulty)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def day_stream(seed: int, difficulty: str) -> np.random.Generator:
    """The random numbers that all recordings of the seed's day share."""
    key = _FIRST_DAY_KEY + DIFFICULTIES.index(difficulty)
    day = np.random.SeedSequence(seed // RECORDINGS_A_DAY, spawn_key=(key,))
    return np.random.default_rng(day)
