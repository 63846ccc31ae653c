# SPDX-License-Identifier: Apache-2.0
"""A RoboAct encoder whose GPU fails in mid-run: loud, and on the CPU only where that is allowed."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import blank_window
from m2r2_ros.inference.metadata import EncoderMetadata
from m2r2_ros.inference.models import open_encoder
from m2r2_ros.sensing.window import SensorWindow


def new_pictures(metadata: EncoderMetadata) -> SensorWindow:
    """What warming up has not embedded yet."""
    window = blank_window(metadata)
    return replace(window, images={name: image + 1 for name, image in window.images.items()})


@pytest.fixture
def failing(roboact, monkeypatch):
    """failing(require_gpu): an encoder whose visual part seems to be on a GPU, which then fails."""

    def make(require_gpu):
        encoder = open_encoder(roboact.folder / "encoder.onnx")
        device = encoder._frame
        device._must_stay = require_gpu

        def fail(binding, options=None):
            raise RuntimeError("CUDA failure 700: an illegal memory access")

        monkeypatch.setattr(device.session, "get_providers", lambda: ["CUDAExecutionProvider"])
        monkeypatch.setattr(device.session, "run_with_iobinding", fail)
        return encoder

    return make


def test_the_cpu_goes_on_where_it_may(roboact, failing, caplog):
    encoder = failing(require_gpu=False)
    window = new_pictures(encoder.metadata)
    assert encoder.providers == ["CUDAExecutionProvider"]
    with caplog.at_level(logging.WARNING):
        feature = encoder(window)
    assert "CUDAExecutionProvider failed, on the CPU now: CUDA failure 700" in caplog.text
    assert encoder.providers == ["CPUExecutionProvider"]
    expected = open_encoder(roboact.folder / "encoder.onnx")(window)
    assert np.array_equal(feature, expected)


def test_a_required_gpu_is_an_error_for_every_window(failing):
    encoder = failing(require_gpu=True)
    for _ in range(2):
        with pytest.raises(M2R2Error, match=r"frame\.onnx: failed: CUDA failure 700"):
            encoder(new_pictures(encoder.metadata))
