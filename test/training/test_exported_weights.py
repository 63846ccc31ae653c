# SPDX-License-Identifier: Apache-2.0
"""An exported encoder's weights in torch: all of them, and for other sensors those that fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from source_tree import ROOT

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.networks.m2r2 import M2R2, M2R2Config
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.training.exported_weights import exported_weights, take_exported
from m2r2_ros.training.onnx_export import open_graph, random_inputs

SHIPPED = ROOT / "models" / "taskboard_compact" / "encoder.onnx"
LAYOUT = read_encoder_metadata(SHIPPED).layout


def encoder_of(layout: SensorLayout, **sizes: int) -> M2R2:
    torch.manual_seed(0)
    return M2R2(layout, M2R2Config(**sizes)).eval()


def test_the_shipped_encoder_is_the_same_in_torch():
    encoder, weights = encoder_of(LAYOUT), exported_weights(SHIPPED, LAYOUT)
    encoder.image_grid.backbone.load_imagenet()
    take_exported(encoder, SHIPPED)
    for name in LAYOUT.signals:
        for part in (f"{name}_mean", f"{name}_std"):
            encoder.get_buffer(part).copy_(torch.tensor(weights[part]))
    inputs = random_inputs(LAYOUT, 3, (64, 48))
    # The range of the spectrogram is no weight, and the export has folded it into others.
    inputs["mask"][:] = torch.tensor([name != AUDIO for name in LAYOUT.modalities])
    found = open_graph(SHIPPED.read_bytes()).run(None, {n: v.numpy() for n, v in inputs.items()})
    with torch.no_grad():
        np.testing.assert_allclose(encoder(inputs).numpy(), found[0], atol=1e-3)
    own = encoder.state_dict()
    audio = [name for name in own if name.startswith("audio_token.")]
    assert audio and all(np.array_equal(own[name].numpy(), weights[name]) for name in audio)


def test_other_sensors_begin_anew_and_known_ones_do_not():
    layout = SensorLayout((), False, {"skin": {"width": 16, "preset": "none"}, "twist": {}})
    encoder, weights = encoder_of(layout), exported_weights(SHIPPED, LAYOUT)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    take_exported(encoder, SHIPPED)
    after, theirs = encoder.state_dict(), LAYOUT.modalities.index("twist")
    assert torch.equal(after["missing"][0], before["missing"][0])
    assert np.array_equal(after["missing"][1].numpy(), weights["missing"][theirs])
    block = weights["fuse.1.weight"][:, 128 * theirs : 128 * (theirs + 1)]
    assert np.array_equal(after["fuse.1.weight"][:, 128:].numpy(), block)
    assert torch.equal(after["fuse.1.weight"][:, :128], before["fuse.1.weight"][:, :128])
    for name in ("temporal_fusion.skin.temporal", "twist_mean"):
        assert torch.equal(after[name], before[name])
    for name in ("temporal_fusion.twist.projection.weight", "fuse.3.bias"):
        assert np.array_equal(after[name].numpy(), weights[name])


def test_an_encoder_of_other_sizes_is_refused():
    layout = SensorLayout((), False, {"skin": {"width": 16, "preset": "none"}})
    with pytest.raises(M2R2Error, match="no weight of it fits"):
        take_exported(encoder_of(layout, feature_dimension=24), SHIPPED)
