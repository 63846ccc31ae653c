# SPDX-License-Identifier: Apache-2.0
"""A row of labelled blocks on a time axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Protocol

from m2r2_ros.evaluation.colours import Colour, ink
from m2r2_ros.evaluation.segments import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Width over height of an average letter of the default font, and the sizes tried, in points.
_LETTER = 0.62
_FONT_SIZES = (9, 8, 7, 6)


class Colours(Protocol):
    """As `Palette`: the colour of a label, and the lines that are written on it, "" for none."""

    def colour(self, label: str) -> Colour: ...

    def lines(self, label: str) -> str: ...


def draw_track(
    axis: Axes,
    name: str,
    track: Sequence[Segment],
    palette: Colours,
    scale: tuple[float, float],
) -> None:
    """Fill `axis` with a block a segment, its label inside where it can be read.

    `scale`: inches that a second is wide, and inches that the row is high.
    """
    inches_per_s, height_in = scale
    for segment in track:
        colour, lines = palette.colour(segment.label), palette.lines(segment.label)
        length_s = segment.end_s - segment.start_s
        axis.barh(0.5, length_s, 1.0, segment.start_s, color=colour, edgecolor="white", lw=0.8)
        if lines:
            _write(axis, segment, lines, (length_s * inches_per_s, height_in), ink(colour))
    axis.set(ylim=(0, 1), yticks=[])
    axis.set_ylabel(name, rotation=0, ha="right", va="center")


def _write(
    axis: Axes, segment: Segment, lines: str, size_in: tuple[float, float], colour: str
) -> None:
    """Write the label, on its lines if need be: level if it fits, else upright, else not."""
    middle = (segment.start_s + segment.end_s) / 2
    for upright, size, text in product((False, True), _FONT_SIZES, (segment.label, lines)):
        if _fits(text, size, *(size_in[::-1] if upright else size_in)):
            axis.text(
                middle,
                0.5,
                text,
                rotation=90 * upright,
                fontsize=size,
                color=colour,
                ha="center",
                va="center",
                parse_math=False,
            )
            return


def _fits(text: str, points: float, length_in: float, height_in: float) -> bool:
    lines = text.split("\n")
    letter_in = points / 72
    longest = max(map(len, lines)) * letter_in * _LETTER
    return longest + 0.06 <= length_in and len(lines) * letter_in * 1.25 <= height_in
