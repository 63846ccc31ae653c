# SPDX-License-Identifier: Apache-2.0
"""A recording at a glance: pictures, sound, forces, gripper, motion and labels on one time axis."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.recording import Action, LowLevelSkill
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.colours import Colour, Palette
from m2r2_ros.evaluation.literal_text import literal_text, save_literally
from m2r2_ros.evaluation.segments import Segment, segments_from_actions
from m2r2_ros.evaluation.tracks import Colours, draw_track
from m2r2_ros.inspection.inspection import Inspection
from m2r2_ros.inspection.skill_colours import SKILL_HUES, SkillColours
from m2r2_ros.inspection.stream_summary import StreamSummary
from m2r2_ros.labels import label_from_text
from m2r2_ros.sensing.layout import AUDIO
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.signal_presets import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 110
_AXIS_IN, _RIGHT_IN, _TOP_IN, _BOTTOM_IN = 17.0, 1.2, 0.45, 0.65
# Left of the axes: at least, and what the numbers of their ticks take of it.
_LEFT_IN, _TICKS_IN = 1.05, 0.6
_FILM_IN, _SOUND_IN, _CURVE_IN, _ACTIONS_IN, _SKILLS_IN = 1.0, 1.1, 1.0, 1.3, 0.95
_MISSING_IN, _GAP_IN = 0.4, 0.1
_PROBLEM_IN, _MOST_PROBLEMS, _PROBLEM_LETTERS = 0.16, 10, 200
_NAME_LETTERS, _TITLE_LETTERS, _TITLE_POINTS = 20, 24, 10
# So many names of columns fit beside a row.
_MOST_NAMES = 8

# What the encoder hears (16 kHz audio), and how far below its loudest moment a sound is drawn.
_TOP_FREQUENCY_HZ = 8000
_DYNAMIC_RANGE_DB = 65
# Three for x, y and z, the others for more columns.
_HUES = (
    *("#D55E00", "#009E73", "#0072B2"),
    *("#CC79A7", "#E69F00", "#56B4E9", "#7A5230", "#8A8A8A"),
)
_FAILED = "#C00000"

# Quantities in the order of their rows; the others follow, but for those that say little.
_FIRST = ("force", "torque", "opening", "position")
_LEFT_OUT = ("orientation", "linear velocity", "angular velocity")
# Peaks of these are impacts: their norm is drawn, and cut.
_WITH_NORM = ("force", "torque")


class _Row(NamedTuple):
    title: str
    height_in: float
    draw: Callable[[Axes], None]
    # None for a row of labels.
    stream: str | None = None


@literal_text()
def plot_inspection(path: Path, inspection: Inspection) -> None:
    """Draw a recording as `path`, a .png. Raises M2R2Error as `check_ending` does."""
    check_ending(path)
    figure = inspection_figure(inspection)
    with partial_file(path) as temporary:
        save_literally(figure, temporary, "png", _DPI)


def inspection_figure(inspection: Inspection) -> Figure:
    """One row a stream and two rows of labels; a stream that is missing is said to be."""
    rows = _rows(inspection)
    problems = _problem_lines(inspection.problems)
    there = {None, *inspection.streams}
    heights_in = [row.height_in if row.stream in there else _MISSING_IN for row in rows]
    left_in = _left_margin_in([row.title for row in rows])
    figure, axes = _layout(heights_in, left_in, len(problems))
    for axis, row in zip(axes, rows, strict=True):
        axis.set_xlim(*inspection.span_s)
        axis.set_ylabel(
            row.title,
            rotation=0,
            ha="right",
            va="center",
            fontsize=_TITLE_POINTS,
            parse_math=False,
        )
        axis.tick_params(labelbottom=axis is axes[-1], labelsize=8)
        if row.stream not in there:
            _say(axis, f"{row.stream}: missing")
            continue
        row.draw(axis)
        if row.stream is not None:
            _note(axis, inspection.streams[row.stream])
    axes[0].set_title(_title(inspection), loc="left", fontsize=13, parse_math=False)
    first = "frame" if inspection.layout.cameras else "sample"
    axes[-1].set_xlabel(f"seconds from the first {first}", fontsize=9)
    figure.text(
        left_in / figure.get_figwidth(),
        0.08 / figure.get_figheight(),
        "\n".join(problems),
        fontsize=9,
        color=_FAILED if inspection.problems else "black",
        va="bottom",
        parse_math=False,
    )
    return figure


def check_ending(path: Path) -> Path:
    """Return `path` of a picture. Raises M2R2Error when it does not end in .png."""
    if path.suffix.lower() != ".png":
        raise M2R2Error(f"{path}: the picture of a recording is written as .png")
    return path


def _rows(inspection: Inspection) -> list[_Row]:
    layout = inspection.layout
    rows = [
        _Row(name, _FILM_IN, partial(_draw_film, inspection, name), name) for name in layout.cameras
    ]
    if layout.audio:
        rows.append(_Row("sound\n[kHz]", _SOUND_IN, partial(_draw_sound, inspection), AUDIO))
    rows += _curve_rows(inspection)
    rows.append(_Row("action", _ACTIONS_IN, partial(_draw_actions, inspection)))
    if _skills(inspection):
        rows.append(_Row("low-level\nskill", _SKILLS_IN, partial(_draw_skills, inspection)))
    return rows


def _curve_rows(inspection: Inspection) -> list[_Row]:
    quantities = [
        (quantity, signal, columns)
        for signal in inspection.layout.signals.values()
        for quantity, columns in signal.spans()
        if quantity.name not in _LEFT_OUT
    ]
    order = {name: place for place, name in enumerate(_FIRST)}
    return [
        _Row(
            _curve_title(signal, quantity),
            _CURVE_IN,
            partial(_draw_curves, inspection, signal.name, quantity, columns),
            signal.name,
        )
        for quantity, signal, columns in sorted(
            quantities, key=lambda each: order.get(each[0].name, len(order))
        )
    ]


def _curve_title(signal: Signal, quantity: Quantity) -> str:
    """ "force [N]" of the wrench, "left_wrench force [N]" of one among several."""
    name, unit = ("gripper", "mm") if quantity.name == "opening" else (quantity.name, quantity.unit)
    unit = f"[{unit}]" if unit else ""
    if signal.name == signal.preset:
        return f"{name}\n{unit}".rstrip()
    # A name is a word without blanks, so that it is cut anywhere.
    whose = "\n".join(textwrap.wrap(signal.name, _TITLE_LETTERS))
    name = "" if name in signal.name.replace("_", " ") or not signal.preset else f"{name} "
    return f"{whose}\n{name}{unit}".rstrip()


def _left_margin_in(titles: Sequence[str]) -> float:
    """Room for the longest line of the rows' titles."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    figure, font = Figure(), FontProperties(size=_TITLE_POINTS)
    measure = FigureCanvasAgg(figure).get_renderer().get_text_width_height_descent
    lines = {line for title in titles for line in title.split("\n")}
    return max(
        _LEFT_IN, _TICKS_IN + max(measure(line, font, False)[0] for line in lines) / figure.dpi
    )


def _layout(
    heights_in: Sequence[float], left_in: float, problems: int
) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = left_in + _AXIS_IN + _RIGHT_IN
    bottom = _BOTTOM_IN + problems * _PROBLEM_IN
    height = _TOP_IN + sum(heights_in) + _GAP_IN * (len(heights_in) - 1) + bottom
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes, top = [], height - _TOP_IN
    for row_in in heights_in:
        top -= row_in
        box = (left_in / width, top / height, _AXIS_IN / width, row_in / height)
        axes.append(figure.add_axes(box))
        top -= _GAP_IN
    return figure, axes


def _title(inspection: Inspection) -> str:
    start_s, end_s = inspection.span_s
    words = [inspection.name, f"{end_s - start_s:.1f} s"]
    if inspection.actions is not None:
        labels = inspection.vocabulary
        done = [a for a in inspection.actions if not labels.is_idle(label_from_text(a.text))]
        failed = sum(not action.success for action in done)
        words += [f"{len(done)} actions", *([f"{failed} failed (hatched)"] if failed else [])]
    return "   |   ".join(words)


def _problem_lines(problems: Sequence[str]) -> list[str]:
    if not problems:
        return ["no problem found"]
    lines = [textwrap.shorten(line, _PROBLEM_LETTERS, placeholder=" ...") for line in problems]
    more = len(lines) - _MOST_PROBLEMS
    return lines if more <= 0 else [*lines[:_MOST_PROBLEMS], f"and {more} more"]


def _note(axis: Axes, stream: StreamSummary) -> None:
    """The stream in figures, right of its row."""
    digits = 1 if stream.rate_hz < 1000 else 0
    lines = [f"{stream.rate_hz:,.{digits}f} Hz", f"{stream.samples:,} samples"]
    if stream.gaps:
        lines += [f"gaps: {len(stream.gaps)},", f"up to {stream.longest_gap.length_s:.3g} s"]
    axis.text(
        1.006, 1.0, "\n".join(lines), transform=axis.transAxes, fontsize=8, va="top", color="0.3"
    )


def _say(axis: Axes, text: str) -> None:
    axis.set(yticks=[], facecolor="0.93")
    axis.text(
        0.5,
        0.5,
        text,
        transform=axis.transAxes,
        ha="center",
        va="center",
        fontsize=12,
        color=_FAILED,
    )


def _draw_film(inspection: Inspection, name: str, axis: Axes) -> None:
    axis.set(ylim=(0, 1), yticks=[], facecolor="0.93")
    film = inspection.films.get(name)
    if film is None:
        _say(axis, f"{name}: no frame can be decoded")
        return
    count = max(1, round(_AXIS_IN / (_FILM_IN * film.aspect)))
    edges = np.linspace(*inspection.span_s, count + 1)
    shown = film.slots(*inspection.span_s, count)
    for start_s, end_s, shot in zip(edges[:-1], edges[1:], shown, strict=True):
        if shot is not None:
            axis.imshow(shot.picture, extent=(start_s, end_s, 0, 1), aspect="auto")
            axis.axvline(end_s, color="white", lw=1.5)
    axis.set(xlim=inspection.span_s, ylim=(0, 1))


def _draw_sound(inspection: Inspection, axis: Axes) -> None:
    sound = inspection.sound
    decibels = sound.decibels(*inspection.span_s, columns=round(_AXIS_IN * _DPI))
    finite = decibels[np.isfinite(decibels)]
    loudest = finite.max() if finite.size else 0.0
    axis.imshow(
        decibels,
        extent=(*inspection.span_s, 0, sound.rate_hz / 2000),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=loudest - _DYNAMIC_RANGE_DB,
        vmax=loudest,
    )
    axis.set(ylim=(0, min(_TOP_FREQUENCY_HZ, sound.rate_hz / 2) / 1000), facecolor="0.93")


def _draw_curves(
    inspection: Inspection, signal: str, quantity: Quantity, columns: slice, axis: Axes
) -> None:
    times, values = _with_gaps(inspection, signal)
    values = values[:, columns] * (1000 if quantity.name == "opening" else 1)
    if quantity.name in _WITH_NORM:
        norm = np.linalg.norm(values, axis=1)
        axis.plot(times, norm, color="black", lw=0.9, label="norm", zorder=3)
        _cut_peaks(axis, times, norm)
    more = len(quantity.columns) - _MOST_NAMES
    for index, (name, column) in enumerate(zip(quantity.columns, values.T, strict=True)):
        label = name if index < _MOST_NAMES else None
        colour = _HUES[index % len(_HUES)]
        axis.plot(times, column, color=colour, lw=0.8, alpha=0.85, label=label)
    if more > 0:
        axis.plot([], [], lw=0, label=f"+ {more}")
    _mark_actions(axis, inspection.actions)
    axis.grid(axis="y", color="0.9", lw=0.6)
    axis.legend(
        loc="lower left",
        bbox_to_anchor=(1.0, -0.04),
        ncols=2,
        fontsize=8,
        frameon=False,
        borderaxespad=0,
        handlelength=0.9,
        columnspacing=0.8,
        labelspacing=0.1,
    )


def _cut_peaks(axis: Axes, times: np.ndarray, norm: np.ndarray) -> None:
    """Keep what is not an impact readable: cut the axis above it and name the highest peak."""
    finite = norm[np.isfinite(norm)]
    if not finite.size or finite.max() <= (limit := 1.5 * np.percentile(finite, 99.8)):
        return
    peak = int(np.nanargmax(norm))
    axis.set_ylim(-limit, limit)
    axis.text(times[peak], limit, f" peak {norm[peak]:.3g}", fontsize=8, va="top")


def _with_gaps(inspection: Inspection, signal: str) -> tuple[np.ndarray, np.ndarray]:
    """The signal with a NaN in every gap, so that no line is drawn across it."""
    times, values = inspection.signals[signal]
    starts = [gap.start_s for gap in inspection.streams[signal].gaps]
    after = np.searchsorted(times, starts, side="right")
    return np.insert(times, after, starts), np.insert(values, after, np.nan, axis=0)


def _mark_actions(axis: Axes, actions: Sequence[Action] | None) -> None:
    for action in actions or ():
        axis.axvline(action.start_s, color="0.8", lw=0.6, zorder=0)
        if not action.success:
            axis.axvspan(action.start_s, action.end_s, color=_FAILED, alpha=0.08, lw=0, zorder=0)


def _draw_actions(inspection: Inspection, axis: Axes) -> None:
    if not inspection.actions:
        _say(axis, "no labels")
        return
    segments = segments_from_actions(inspection.actions)
    palette = Palette((segment.label for segment in segments), inspection.vocabulary)
    _draw_labels(inspection, axis, segments, palette, _ACTIONS_IN)
    _hatch_failures(axis, inspection.actions)
    names = [*palette.activities, *inspection.vocabulary.idle]
    _legend(axis, {name: palette.colour(name) for name in names})


def _skills(inspection: Inspection) -> list[LowLevelSkill]:
    return [skill for action in inspection.actions or () for skill in action.low_level]


def _draw_skills(inspection: Inspection, axis: Axes) -> None:
    skills = _skills(inspection)
    segments = [Segment(label_from_text(s.text), s.start_s, s.end_s) for s in skills]
    _draw_labels(inspection, axis, segments, SkillColours(), _SKILLS_IN)
    _hatch_failures(axis, skills)
    there = {segment.label for segment in segments}
    names = [*(n for n in SKILL_HUES if n in there), *sorted(there.difference(SKILL_HUES))]
    _legend(axis, {name: SkillColours().colour(name) for name in names})


def _draw_labels(
    inspection: Inspection,
    axis: Axes,
    segments: Sequence[Segment],
    colours: Colours,
    height_in: float,
) -> None:
    start_s, end_s = inspection.span_s
    scale = (_AXIS_IN / (end_s - start_s), height_in)
    draw_track(axis, axis.get_ylabel(), segments, colours, scale)


def _hatch_failures(axis: Axes, spans: Sequence[Action | LowLevelSkill]) -> None:
    for span in spans:
        if not span.success:
            axis.barh(
                0.5,
                span.end_s - span.start_s,
                1.0,
                span.start_s,
                fill=False,
                hatch="///",
                edgecolor=_FAILED,
                lw=0,
            )


def _legend(axis: Axes, colours: dict[str, Colour]) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=colour, label=textwrap.shorten(name, _NAME_LETTERS, placeholder="..."))
        for name, colour in colours.items()
    ]
    legend = axis.legend(
        handles=patches,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        fontsize=8,
        frameon=False,
        handlelength=1.0,
        labelspacing=0.15,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
