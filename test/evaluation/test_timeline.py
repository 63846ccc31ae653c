# SPDX-License-Identifier: Apache-2.0
"""Timeline pictures: colours that mean something, files that are whole."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.colours import Palette, ink
from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.evaluation.timeline import Curves, plot_timeline
from m2r2_ros.labels import FINE_LABELS

TRUTH = [Segment("No action", 0, 1), Segment("Pick USB", 1, 5), Segment("Insert USB", 5, 9)]
PREDICTION = [Segment("Pick USB", 1.5, 5), Segment("unknown", 5, 8)]


def plot(*arguments, **keywords):
    times_s = np.arange(0, 9, 0.1)
    curves = Curves(times_s, np.full(90, 0.9), np.zeros(90))
    plot_timeline(*arguments, curves=curves, **keywords)


def test_png_shows_each_activity_in_its_colour(tmp_path):
    path = tmp_path / "timeline.png"
    plot(path, {"ground truth": TRUTH, "published": PREDICTION})
    pixels = np.round(imread(path)[..., :3] * 255).reshape(-1, 3).astype(np.int64)
    palette = Palette(segment.label for segment in TRUTH)
    for label in ("Pick USB", "Insert USB", "No action", "unknown"):
        colour = np.round(np.multiply(palette.colour(label), 255)).astype(np.int64)
        assert (pixels == colour).all(axis=1).sum() > 5_000, label
    assert list(tmp_path.iterdir()) == [path]


def test_svg_names_tracks_and_legend(tmp_path):
    path = tmp_path / "timeline.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot(path, {"ground truth": TRUTH, "published": PREDICTION}, title="a recording")
    text = path.read_text(encoding="utf-8")
    for word in ("ground truth", "published", "Insert USB", "a recording", "time [s]", "boundary"):
        assert word in text


def test_other_endings_and_nothing_to_draw_are_errors(tmp_path):
    with pytest.raises(M2R2Error, match=r"\.png or \.svg"):
        plot(tmp_path / "timeline.bmp", {"ground truth": TRUTH})
    with pytest.raises(M2R2Error, match="no segment"):
        plot(tmp_path / "timeline.png", {"ground truth": []})
    assert not list(tmp_path.iterdir())


def test_activity_keeps_its_hue_and_objects_differ_in_shade():
    palette = Palette(["Pick USB", "Pick BNC", "Insert BNC"])
    first, second = palette.colour("Pick USB"), palette.colour("Pick BNC")
    assert first != second
    assert palette.colour("Pick") == Palette(["Pick"]).colour("Pick")


def test_all_fine_labels_have_a_colour_of_their_own():
    palette = Palette(FINE_LABELS)
    colours = [palette.colour(label) for label in FINE_LABELS]
    assert len(set(colours)) == len(FINE_LABELS)
    assert all(0 <= part <= 1 for colour in colours for part in colour)


def test_labels_of_other_data_sets_get_colours():
    palette = Palette(["cut tomato", "peel cucumber", "background"])
    names = ("cut tomato", "peel cucumber", "background")
    assert len({palette.colour(name) for name in names}) == 3


def test_ink_is_readable():
    assert ink((1, 1, 1)) == "black"
    assert ink((0, 0, 0.4)) == "white"
