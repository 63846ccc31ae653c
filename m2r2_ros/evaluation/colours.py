# SPDX-License-Identifier: Apache-2.0
"""One colour an activity, one shade an object; told apart by colour-blind readers too."""

from __future__ import annotations

from collections.abc import Iterable

from m2r2_ros.labels import ACTIVITIES, NO_ACTION, OBJECTS, split_label
from m2r2_ros.vocabulary import UNKNOWN

Colour = tuple[float, float, float]

# Okabe and Ito, "Color Universal Design" (2008). Activities of other data sets take the rest first.
_HUES = {
    "Pick": "#0072B2",
    "Insert": "#E69F00",
    "Remove": "#CC79A7",
    "Place": "#009E73",
}
_MORE_HUES = ("#56B4E9", "#D55E00", "#F0E442", *_HUES.values())
_GREYS = {NO_ACTION: "#E4E4E4", UNKNOWN: "#6B6B6B"}
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
# The palest shade is this far on the way to white: still clearly coloured on paper.
_PALEST = 0.55


class Palette:
    """Colours for the labels of one picture."""

    def __init__(self, labels: Iterable[str]) -> None:
        parts = [split_label(label) for label in labels if label not in _GREYS]
        activities = {activity for activity, _ in parts}
        # Shades are spread over the objects that occur, so that few objects differ clearly.
        self.objects = sorted({name for _, name in parts if name}, key=_object_order)
        self.activities = [name for name in ACTIVITIES if name in activities]
        others = sorted(activities.difference(ACTIVITIES))
        self.activities += others
        hues = {name: _MORE_HUES[i % len(_MORE_HUES)] for i, name in enumerate(others)}
        self._hues = _HUES | hues | _GREYS

    def colour(self, label: str) -> Colour:
        """RGB in [0, 1] of a fine or coarse label."""
        activity, name = split_label(label)
        return self.shade(self._hues[activity or label], name)

    def shade(self, hue: str, name: str) -> Colour:
        """A "#RRGGBB" hue in the shade of an object; unchanged for an object of another picture."""
        position = self.objects.index(name) if name in self.objects else 0
        amount = _PALEST * position / max(1, len(self.objects) - 1)
        return tuple(part + (1 - part) * amount for part in _rgb(hue))


def skill_colour(name: str) -> Colour:
    """RGB in [0, 1] of a low-level skill; grey for one that REASSEMBLE does not have."""
    return _rgb(SKILL_HUES.get(name, _GREYS[UNKNOWN]))


def ink(colour: Colour) -> str:
    """Black or white, whichever is easier to read on `colour`."""
    red, green, blue = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _rgb(hue: str) -> Colour:
    red, green, blue = (int(hue[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _object_order(name: str) -> tuple[int, str]:
    return (OBJECTS.index(name) if name in OBJECTS else len(OBJECTS), name)
