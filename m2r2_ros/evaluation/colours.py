# SPDX-License-Identifier: Apache-2.0
"""One colour an activity, one shade an object; told apart by colour-blind readers too."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, filterfalse

from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

Colour = tuple[float, float, float]

# Okabe and Ito, "Color Universal Design" (2008), for activities in the order of the vocabulary.
_HUES = ("#0072B2", "#E69F00", "#CC79A7", "#009E73", "#56B4E9", "#D55E00", "#F0E442")
_IDLE_HUE, UNKNOWN_HUE = "#E4E4E4", "#6B6B6B"
# The palest shade is this far on the way to white: still clearly coloured on paper.
_PALEST = 0.55


class Palette:
    """Colours for the labels of one picture, fine or coarse.

    activities  those that occur, idle and "unknown" left out, in the order of the vocabulary.
    objects     those that occur. Shades are spread over them, so that few differ clearly.
    """

    def __init__(self, labels: Iterable[str], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        greys = dict.fromkeys(vocabulary.idle, _IDLE_HUE) | {UNKNOWN: UNKNOWN_HUE}
        occurring = sorted(set(labels).difference(greys))
        named = dict.fromkeys((*vocabulary.labels, *occurring))
        activities = dict.fromkeys(map(vocabulary.coarse, filterfalse(greys.__contains__, named)))
        hues = dict(zip(activities, cycle(_HUES)))
        self._hues = hues | greys
        here = set(map(vocabulary.coarse, occurring))
        self.activities = [name for name in hues if name in here]
        objects = dict.fromkeys(map(vocabulary.object_of, named))
        shown = set(map(vocabulary.object_of, occurring))
        self.objects = [name for name in objects if name and name in shown]

    def colour(self, label: str) -> Colour:
        """RGB in [0, 1] of a label."""
        return self.shade(
            self._hues[self.vocabulary.coarse(label)], self.vocabulary.object_of(label)
        )

    def lines(self, label: str) -> str:
        """A label on a line for its action and one for its object; "" of idle ones."""
        if self.vocabulary.is_idle(label):
            return ""
        return "\n".join(
            filter(None, (self.vocabulary.coarse(label), self.vocabulary.object_of(label)))
        )

    def shade(self, hue: str, name: str) -> Colour:
        """A "#RRGGBB" hue in the shade of an object; unchanged for an object of another picture."""
        position = self.objects.index(name) if name in self.objects else 0
        amount = _PALEST * position / max(1, len(self.objects) - 1)
        return tuple(part + (1 - part) * amount for part in rgb(hue))


def ink(colour: Colour) -> str:
    """Black or white, whichever is easier to read on `colour`."""
    red, green, blue = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def rgb(hue: str) -> Colour:
    """A "#RRGGBB" hue, parts in [0, 1]."""
    red, green, blue = (int(hue[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
