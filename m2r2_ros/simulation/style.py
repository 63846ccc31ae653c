# SPDX-License-Identifier: Apache-2.0
"""How an operator moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Style:
    """How an operator moves; drawn once a recording."""

    speed_m_s: float = 0.45
    careful_m_s: float = 0.09
    travel_height_m: float = 0.17
    search_n: float = 4.5
    push_n: float = 28.0
    sight_error_m: float = 0.4e-3
    hesitation: float = 0.0  # chance of stopping for a moment before a careful move
    regrasp: float = 0.0  # chance of opening the fingers and gripping again
    unevenness: float = 0.0  # spread (log) of the speed from move to move
    lean_rad: float = 0.0  # spread of the hand's tilt when it arrives above a part
    aside_m: float = 0.0  # spread of where it arrives, beside the straight line down
    looks_s: float = 0.0  # longest look before a careful move
    bend: float = 0.0  # how far travel bends aside, as a part of its way
    grasp_m: float = 0.0  # grasps this much higher than a part is best held


def sample_style(rng: np.random.Generator) -> Style:
    """How fast, how careful and how sharp-eyed the operator of this recording is."""
    return Style(
        speed_m_s=rng.uniform(0.4, 0.55),
        careful_m_s=rng.uniform(0.06, 0.1),
        travel_height_m=rng.uniform(0.16, 0.2),
        search_n=rng.uniform(3.5, 5.0),
        push_n=rng.uniform(22, 32),
        hesitation=rng.uniform(0.05, 0.3),
        regrasp=rng.uniform(0.0, 0.12),
        unevenness=rng.uniform(0.05, 0.2),
        lean_rad=rng.uniform(0.02, 0.1),
        aside_m=rng.uniform(1e-3, 5e-3),
    )
