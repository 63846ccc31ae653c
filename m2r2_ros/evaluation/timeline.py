# SPDX-License-Identifier: Apache-2.0
"""A picture of a recording: what was done above what was recognised, readable at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.colours import Palette
from m2r2_ros.evaluation.literal_text import literal_text, save_literally
from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.evaluation.tracks import draw_track
from m2r2_ros.inference.segment_events import FramePrediction
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_IN, _TRACK_IN, _CURVES_IN, _MARGIN_IN = 16.0, 1.15, 1.5, 1.5


@dataclass(frozen=True)
class Curves:
    """Frame by frame: time in s (N,), confidence and boundary probability in [0, 1] (N,)."""

    times_s: np.ndarray
    confidence: np.ndarray
    boundary: np.ndarray

    @classmethod
    def of(cls, predictions: Sequence[FramePrediction], origin_ns: int) -> Curves:
        """The most probable class's posterior and the boundary, times from `origin_ns`."""
        return cls(
            times_s=np.array([(frame.stamp_ns - origin_ns) / 1e9 for frame in predictions]),
            confidence=np.array([frame.probabilities.max() for frame in predictions]),
            boundary=np.array([frame.boundary for frame in predictions]),
        )


@literal_text()
def plot_timeline(
    path: Path,
    tracks: Mapping[str, Sequence[Segment]],
    vocabulary: Vocabulary,
    curves: Curves | None = None,
    title: str = "",
) -> None:
    """Write `draw_timeline` as .png or .svg.

    Raises M2R2Error for another ending or when nothing is to be drawn.
    """
    check_timeline_ending(path)
    if not any(tracks.values()):
        raise M2R2Error(f"{path}: there is no segment to draw")
    figure = draw_timeline(tracks, vocabulary, curves, title)
    with partial_file(path) as temporary:
        save_literally(figure, temporary, path.suffix[1:].lower(), dpi=120)


def check_timeline_ending(path: Path) -> None:
    """Raise M2R2Error when the path of a timeline ends otherwise than in .png or .svg."""
    if path.suffix.lower() not in (".png", ".svg"):
        raise M2R2Error(f"{path}: a timeline is written as .png or .svg")


def draw_timeline(
    tracks: Mapping[str, Sequence[Segment]],
    vocabulary: Vocabulary,
    curves: Curves | None = None,
    title: str = "",
) -> Figure:
    """Draw `tracks` (name -> segments in order of time) one above the other, curves below.

    There is at least one segment. Boundaries of the last track are drawn through the curves.
    """
    segments = [segment for track in tracks.values() for segment in track]
    duration_s = max(segment.end_s for segment in segments)
    palette = Palette((segment.label for segment in segments), vocabulary)

    figure, axes = _layout(len(tracks), curves is not None, duration_s)
    for axis, (name, track) in zip(axes, tracks.items(), strict=False):
        draw_track(axis, name, track, palette, (_WIDTH_IN * 0.92 / duration_s, _TRACK_IN))
    if curves is not None:
        _draw_curves(axes[-1], curves, list(tracks.values())[-1])
    axes[0].set_title(title, loc="left", fontsize=12)
    axes[-1].set_xlabel("time [s]")
    _draw_legend(figure, palette, {segment.label for segment in segments})
    return figure


def _layout(tracks: int, curves: bool, duration_s: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [_TRACK_IN] * tracks + [_CURVES_IN] * curves
    height = sum(heights) + _MARGIN_IN
    figure = Figure(figsize=(_WIDTH_IN, height))
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        len(heights),
        1,
        height_ratios=heights,
        hspace=0.12,
        left=0.07,
        right=0.99,
        top=1 - 0.4 / height,
        bottom=(_MARGIN_IN - 0.4) / height,
    )
    axes = [figure.add_subplot(grid[row]) for row in range(len(heights))]
    for axis in axes:
        axis.set_xlim(0, duration_s)
        axis.tick_params(labelbottom=axis is axes[-1])
    return figure, axes


def _draw_curves(axis: Axes, curves: Curves, track: Sequence[Segment]) -> None:
    for segment in track:
        axis.axvline(segment.start_s, color="0.75", lw=0.8, zorder=0)
    axis.plot(curves.times_s, curves.confidence, color="#0072B2", lw=1.2, label="confidence")
    axis.fill_between(
        curves.times_s, curves.boundary, color="#D55E00", alpha=0.7, lw=0, label="boundary"
    )
    axis.set(ylim=(0, 1.05), yticks=[0, 0.5, 1])
    axis.legend(loc="lower right", ncols=2, fontsize=8, framealpha=0.8)


def _draw_legend(figure: Figure, palette: Palette, labels: set[str]) -> None:
    from matplotlib.patches import Patch

    greys = (*palette.vocabulary.idle, UNKNOWN)
    activities = [*palette.activities, *(name for name in greys if name in labels)]
    shades = {name: palette.shade("#404040", name) for name in palette.objects}
    colours = {name: palette.colour(name) for name in activities}
    groups = [(colours, "colour: activity", "lower left"), (shades, "shade: object", "lower right")]
    for entries, title, corner in groups:
        patches = [Patch(facecolor=colour, label=name) for name, colour in entries.items()]
        if patches:
            figure.legend(
                handles=patches,
                loc=corner,
                ncols=min(len(patches), 9),
                fontsize=8,
                frameon=False,
                title=title,
                title_fontsize=8,
                alignment="left",
            )
