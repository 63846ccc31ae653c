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
from m2r2_ros.labels import FINE_LABELS, REASSEMBLE
from m2r2_ros.vocabulary import Parts, Vocabulary

TRUTH = [Segment("No action", 0, 1), Segment("Pick USB", 1, 5), Segment("Insert USB", 5, 9)]
PREDICTION = [Segment("Pick USB", 1.5, 5), Segment("unknown", 5, 8)]


def plot(*arguments, **keywords):
    times_s = np.arange(0, 9, 0.1)
    curves = Curves(times_s, np.full(90, 0.9), np.zeros(90))
    plot_timeline(*arguments, REASSEMBLE, curves=curves, **keywords)


def test_png_shows_each_activity_in_its_colour(tmp_path):
    path = tmp_path / "timeline.png"
    plot(path, {"ground truth": TRUTH, "published": PREDICTION})
    pixels = np.round(imread(path)[..., :3] * 255).reshape(-1, 3).astype(np.int64)
    palette = Palette((segment.label for segment in TRUTH), REASSEMBLE)
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
    palette = Palette(["Pick USB", "Pick BNC", "Insert BNC"], REASSEMBLE)
    first, second = palette.colour("Pick USB"), palette.colour("Pick BNC")
    assert first != second
    assert palette.colour("Pick") == Palette(["Pick"], REASSEMBLE).colour("Pick")


def test_all_fine_labels_have_a_colour_of_their_own():
    palette = Palette(FINE_LABELS, REASSEMBLE)
    colours = [palette.colour(label) for label in FINE_LABELS]
    assert len(set(colours)) == len(FINE_LABELS)
    assert all(0 <= part <= 1 for colour in colours for part in colour)


def test_labels_of_other_data_sets_get_colours():
    names = ("cut tomato", "peel cucumber", "background")
    palette = Palette(names, Vocabulary(names, ("background",)))
    assert len({palette.colour(name) for name in names}) == 3
    assert palette.colour("background") == Palette([], REASSEMBLE).colour("No action")
    assert palette.lines("background") == "" and palette.lines("cut tomato") == "cut tomato"


def test_hues_follow_the_vocabulary_so_that_pictures_agree():
    parts = {"cut tomato": Parts("cut", "tomato"), "cut leek": Parts("cut", "leek")}
    vocabulary = Vocabulary(("stir", "cut tomato", "cut leek"), (), parts)
    alone, all_of_it = Palette(["cut leek"], vocabulary), Palette(vocabulary.labels, vocabulary)
    assert alone.colour("cut") == all_of_it.colour("cut") != all_of_it.colour("stir")
    assert all_of_it.activities == ["stir", "cut"] and all_of_it.objects == ["tomato", "leek"]
    assert all_of_it.lines("cut leek") == "cut\nleek"
    # A label that the vocabulary does not have comes after its own.
    stranger = Palette(["stir", "wash"], vocabulary)
    assert stranger.activities == ["stir", "wash"]
    assert stranger.colour("wash") not in map(all_of_it.colour, vocabulary.labels)


def test_ink_is_readable():
    assert ink((1, 1, 1)) == "black"
    assert ink((0, 0, 0.4)) == "white"


@pytest.mark.parametrize("ending", [".png", ".svg", ".PNG"])
def test_any_name_and_label_can_be_drawn(ending, tmp_path):
    """Names of files need not be UTF-8, and neither they nor labels are formulas."""
    path = tmp_path / f"timeline{ending}"
    odd = "pick \udcff $x^$ \x1b]0;x\x07"
    plot(path, {odd: [Segment(odd, 0, 2)]}, title=odd)
    assert path.stat().st_size > 1000
