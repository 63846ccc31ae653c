# SPDX-License-Identifier: Apache-2.0
"""A colour for each low-level skill that REASSEMBLE labels."""

from __future__ import annotations

from m2r2_ros.evaluation.colours import UNKNOWN_HUE, Colour, rgb

# Paul Tol's "muted" scheme (2021): told apart from each other, and read in a row of their own.
SKILL_HUES = {
    "Approach": "#88CCEE",
    "Align": "#DDCC77",
    "Grasp": "#332288",
    "Lift": "#117733",
    "Push": "#CC6677",
    "Pull": "#882255",
    "Twist": "#AA4499",
    "Nudge": "#999933",
    "Release": "#44AA99",
}


class SkillColours:
    """See `evaluation.tracks.Colours`."""

    def colour(self, label: str) -> Colour:
        """RGB in [0, 1]; grey for a skill that REASSEMBLE does not have."""
        return rgb(SKILL_HUES.get(label, UNKNOWN_HUE))

    def lines(self, label: str) -> str:
        """The skill itself."""
        return label
