# SPDX-License-Identifier: Apache-2.0
"""Pretraining sees pictures as small as the encoder will get them."""

import pytest
from synthetic import read_synthetic

pytest.importorskip("torch")

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.inference.metadata import EncoderMetadata
from m2r2_ros.networks.m2r2 import M2R2Config
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped
from m2r2_ros.training import cache
from m2r2_ros.training.cache import most_pixels, prepare_recordings
from m2r2_ros.training.pretraining import build_encoder
from m2r2_ros.training.recordings import labelled_windows
from m2r2_ros.training.settings import PretrainSettings

LAYOUT = SensorLayout(cameras=("front",), audio=False, signals=("gripper",))
TINY = M2R2Config(feature_dimension=8, image_size=32, image_stages=2, image_cells=2, heads=2)


def test_the_bound_is_that_of_the_exported_encoder():
    size = PretrainSettings().model.image_size
    exported = EncoderMetadata(REASSEMBLE_LAYOUT, 1, (size, size), "")
    assert most_pixels(size, None) == exported.max_pixels


def test_every_reader_is_told_the_bound_and_the_cache_is_kept_by_it(tmp_path, monkeypatch):
    """A cache that an earlier bound has made is not taken for one of today."""
    told = []

    def read(path, layout, max_pixels):
        told.append(max_pixels)
        return read_synthetic(path, layout, max_pixels)

    recording = tmp_path / "0.h5"
    recording.touch()
    settings = PretrainSettings(layout=LAYOUT, model=TINY, imagenet=False)
    encoder = build_encoder(settings)
    for ratio in (64, 64, 16):
        monkeypatch.setattr(cache, "REDUCE_ABOVE", ratio)
        prepare_recordings([recording], encoder, tmp_path / "cache", read)
    size = settings.model.image_size
    assert told == [64 * size**2, 16 * size**2]


def test_pictures_beyond_the_bound_are_made_smaller():
    path = shipped("recordings") / "taskboard_demo.h5"
    layout = SensorLayout(cameras=("hama1",), audio=False, signals=())
    whole, _ = next(labelled_windows(path, layout))
    height, width, _ = whole.images["hama1"].shape
    small, _ = next(labelled_windows(path, layout, max_pixels=height * width - 1))
    expected = whole.images["hama1"].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
    assert abs(small.images["hama1"] - expected).max() <= 0.5
