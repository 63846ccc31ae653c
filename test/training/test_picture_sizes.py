# SPDX-License-Identifier: Apache-2.0
"""Pretraining sees pictures as small as the encoder will get them."""

import pytest

pytest.importorskip("torch")

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.inference.metadata import EncoderMetadata
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped
from m2r2_ros.training.pretraining import most_pixels
from m2r2_ros.training.recordings import labelled_windows
from m2r2_ros.training.settings import PretrainSettings


def test_the_bound_is_that_of_the_exported_encoder():
    settings = PretrainSettings()
    size = settings.model.image_size
    assert (
        most_pixels(settings) == EncoderMetadata(REASSEMBLE_LAYOUT, 1, (size, size), "").max_pixels
    )


def test_pictures_beyond_the_bound_are_made_smaller():
    path = shipped("recordings") / "taskboard_demo.h5"
    layout = SensorLayout(cameras=("hama1",), audio=False, signals=())
    whole, _ = next(labelled_windows(path, layout))
    height, width, _ = whole.images["hama1"].shape
    small, _ = next(labelled_windows(path, layout, max_pixels=height * width - 1))
    expected = whole.images["hama1"].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
    assert abs(small.images["hama1"] - expected).max() <= 0.5
