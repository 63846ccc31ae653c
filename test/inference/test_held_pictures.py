# SPDX-License-Identifier: Apache-2.0
"""A picture that a slow camera shows again is not embedded again, and the features are the same."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from m2r2_ros.inference.encoder import blank_window
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.sensing.window import SensorWindow
from m2r2_ros.shipped import shipped

ENCODER = Path("models") / "roboact_compact" / "encoder.onnx"


class Embeddings:
    """Counts how often pictures go through `frame.onnx`."""

    def __init__(self, session):
        self.session, self.count = session, 0

    def __call__(self, inputs):
        self.count += 1
        return self.session(inputs)


@pytest.fixture(scope="module")
def encoder():
    return RoboActEncoder(shipped(ENCODER))


def windows(encoder, seed):
    """Some windows of which a picture is now new, now held, now a copy, now missing."""
    chance, random_ = random.Random(seed), np.random.default_rng(seed)
    blank = blank_window(encoder.metadata)
    picture, made = None, []
    for index in range(8):
        kind = chance.choice(("new", "held", "copied", "missing")) if made else "new"
        if kind == "new":
            picture = random_.integers(0, 256, (chance.choice((32, 48)), 40, 3), np.uint8)
        shown = picture.copy() if kind == "copied" else picture
        present = kind != "missing"
        made.append(
            SensorWindow(
                index,
                index * blank.end_ns,
                (index + 1) * blank.end_ns,
                dict.fromkeys(encoder.layout.cameras, shown) if present else {},
                blank.audio,
                {},
                dict.fromkeys(encoder.layout.modalities, present),
            )
        )
    return made


@pytest.mark.parametrize("seed", range(50))
def test_held_pictures_are_embedded_once_and_the_features_stay(encoder, seed, monkeypatch):
    made = windows(encoder, seed)
    encoder.reset()
    expected = []
    for window in made:
        encoder._embedded.clear()
        expected.append(encoder(window))
    counted = Embeddings(encoder._frame)
    monkeypatch.setattr(encoder, "_frame", counted)
    encoder._embedded.clear()
    encoder.reset()
    assert [encoder(window).tobytes() for window in made] == [one.tobytes() for one in expected]
    shown = [w.images[encoder.layout.cameras[0]].tobytes() for w in made if w.images]
    assert counted.count == 1 + sum(a != b for a, b in pairwise(shown))


def test_a_picture_that_changes_in_place_is_embedded_again(encoder):
    window = windows(encoder, 0)[0]
    image = window.images[encoder.layout.cameras[0]]
    encoder.reset()
    first = encoder(window)
    image[:] = 255 - image
    encoder.reset()
    assert encoder(window).tobytes() != first.tobytes()
