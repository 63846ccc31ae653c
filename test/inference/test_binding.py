# SPDX-License-Identifier: Apache-2.0
"""Inputs kept on the device give what a plain call gives, whatever was there before."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tiny_models import write_encoder
from tiny_windows import random_window

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.binding import BoundSession
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.packing import WindowPacker
from m2r2_ros.inference.session import TENSORRT, TensorRt, open_session
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout()


@pytest.fixture
def model(tmp_path):
    return read_model(write_encoder(tmp_path / "encoder.onnx", LAYOUT))


def images_of(height, width, seed):
    random = np.random.default_rng(seed)
    return {name: random.integers(0, 256, (height, width, 3), np.uint8) for name in LAYOUT.cameras}


def test_bound_inputs_give_the_same_bits_and_change_no_window(model):
    session = open_session(model, threads=1)
    bound, pack = BoundSession(session, "feature"), WindowPacker(LAYOUT)
    for seed, (height, width) in enumerate([(24, 32), (24, 32), (48, 16), (24, 32)]):
        window = replace(random_window(LAYOUT, seed), images=images_of(height, width, seed))
        before = {name: image.copy() for name, image in window.images.items()}
        inputs = pack([window])
        (expected,) = session.run(["feature"], inputs)
        assert bound(inputs).tobytes() == expected.tobytes()
        for name, image in before.items():
            assert np.array_equal(window.images[name], image)


@pytest.fixture
def failing(model, monkeypatch):
    """failing(require_gpu): an encoder that seems to be on a GPU, which then fails."""

    def make(require_gpu):
        encoder = Encoder(model.path)
        encoder._must_stay = require_gpu
        monkeypatch.setattr(encoder._session, "get_providers", lambda: ["CUDAExecutionProvider"])

        def fail(binding, options=None):
            raise RuntimeError("CUDA failure 700: an illegal memory access")

        monkeypatch.setattr(encoder._session, "run_with_iobinding", fail)
        return encoder

    return make


def test_a_gpu_that_fails_in_mid_run_leaves_the_work_to_the_cpu(model, failing, caplog):
    encoder, window = failing(require_gpu=False), random_window(LAYOUT, 3)
    assert encoder.providers == ["CUDAExecutionProvider"]
    with caplog.at_level(logging.WARNING):
        feature = encoder(window)
    assert "CUDAExecutionProvider failed, on the CPU now: CUDA failure 700" in caplog.text
    assert encoder.providers == ["CPUExecutionProvider"]
    assert feature.tobytes() == Encoder(model.path)(window).tobytes()


def test_a_required_gpu_that_fails_is_an_error_for_every_window(failing):
    encoder = failing(require_gpu=True)
    for index in range(2):
        with pytest.raises(M2R2Error, match=f"failed on window {index}: CUDA failure 700"):
            encoder(random_window(LAYOUT, index))


def test_tensorrt_where_there_is_none(model, tmp_path, caplog):
    assert TENSORRT not in onnxruntime.get_available_providers()
    with caplog.at_level(logging.WARNING):
        session = open_session(model, 1, tensorrt=TensorRt(tmp_path / "engines"))
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert "this onnxruntime has no TensorRT" in caplog.text


def test_tensorrt_comes_first_with_its_cache_and_cuda_behind_it(model, tmp_path, monkeypatch):
    asked = []
    real = onnxruntime.InferenceSession
    names = [TENSORRT, "CUDAExecutionProvider", "CPUExecutionProvider"]

    def on_cpu(data, options, providers):
        asked.extend(providers)
        return real(data, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(onnxruntime, "InferenceSession", on_cpu)
    open_session(model, 1, tensorrt=TensorRt(tmp_path / "engines", half=True))
    assert [name for name, _ in asked] == names
    options = dict(asked)
    assert Path(options[TENSORRT]["trt_engine_cache_path"]).is_dir()
    assert options[TENSORRT]["trt_fp16_enable"] == "1"
    assert options["CUDAExecutionProvider"]["use_tf32"] == "0"
    with pytest.raises(M2R2Error, match="Tensorrt did not start"):
        open_session(model, 1, require_gpu=True, tensorrt=TensorRt(tmp_path / "engines"))
