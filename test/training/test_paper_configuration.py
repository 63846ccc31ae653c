# SPDX-License-Identifier: Apache-2.0
"""The paper's model builds, exports and runs one window (random weights: nothing is downloaded)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import make_window

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.networks.m2r2 import M2R2, M2R2Config
from m2r2_ros.networks.vision_transformer import BackboneSizes
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.onnx_export import check_prepared, export_encoder, export_preparation
from m2r2_ros.training.pretraining import build_encoder
from m2r2_ros.training.settings import PretrainSettings, load_settings

PAPER = Path(__file__).parents[2] / "config" / "training" / "m2r2_paper.yaml"
# Protobuf's limit, and so that of a graph without a second file.
LARGEST = 2**31 - 1


def run_one_window(settings: PretrainSettings, folder: Path) -> tuple[int, int]:
    """Export, load and run as the nodes do; returns the file's size and the count of weights."""
    torch.manual_seed(0)
    encoder = build_encoder(replace(settings, image_weights="", audio_weights="")).eval()
    file = folder / "encoder.onnx"
    assert export_encoder(encoder, file, "nothing") < 1e-3
    assert [path.name for path in folder.iterdir()] == ["encoder.onnx"], "no external data"
    window = make_window(settings.layout, 0, np.random.default_rng(0))
    feature = Encoder(file)(window)
    assert feature.shape == (512,) and feature.dtype == np.float32
    assert np.isfinite(feature).all()
    return file.stat().st_size, sum(value.numel() for value in encoder.parameters())


def test_the_papers_model_with_fewer_layers(tmp_path):
    settings = load_settings(PretrainSettings, PAPER)
    model = settings.model
    assert (model.feature_dimension, model.image_size, model.backbone.layers) == (512, 224, 12)
    assert settings.layout.modalities == (
        "hama1", "hama2", "audio", "wrench", "pose", "twist", "gripper"
    )  # fmt: skip
    assert (settings.window.samples, settings.window.padding) == (100, 30)
    assert settings.sentences_trained and settings.new_modules_rate == 10.0
    small = replace(model, backbone=replace(model.backbone, width=48, layers=1, heads=4))
    run_one_window(replace(settings, model=small), tmp_path)


@pytest.mark.soak
def test_the_papers_model_in_full(tmp_path):
    size, weights = run_one_window(load_settings(PretrainSettings, PAPER), tmp_path)
    assert 170e6 < weights < 190e6
    assert size < LARGEST


@pytest.mark.parametrize("size", [32, 224])
def test_pictures_of_a_trained_clip_are_prepared_though_pixels_are_rounded_elsewhere(
    size, tmp_path
):
    sizes = BackboneSizes(width=8, layers=1, heads=2, patch=16, projection=8)
    config = M2R2Config(
        feature_dimension=8,
        heads=2,
        image_backbone="clip",
        image_trained=True,
        image_size=size,
        backbone=sizes,
    )
    layout = SensorLayout(cameras=("hama1",), audio=False, signals=())
    export_preparation(M2R2(layout, config), tmp_path / "preparation.onnx")


@pytest.mark.parametrize("change", [lambda p: p + 2 * (p == p.max()), lambda p: p - (p > 100)])
def test_pixels_that_are_more_than_rounded_are_noticed(change):
    pixels = np.random.default_rng(0).integers(0, 250, (1, 3, 32, 32)).astype(np.uint8)
    check_prepared(pixels.astype(np.float32), pixels, "pixels")
    with pytest.raises(M2R2Error, match="the exported pixels differs"):
        check_prepared(change(pixels.astype(np.float32)), pixels, "pixels")
