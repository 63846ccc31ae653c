# SPDX-License-Identifier: Apache-2.0
"""The paper's model builds, exports and runs one window (random weights: nothing is downloaded)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import make_window

from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.training.onnx_export import export_encoder
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
