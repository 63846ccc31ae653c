# SPDX-License-Identifier: Apache-2.0
"""Inputs kept on the device give what a plain call gives, whatever was there before."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from tiny_models import write_encoder
from tiny_windows import random_window

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference import device, io_binding
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.inference.io_binding import MAX_GRAPHS, BoundSession
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.session import TENSORRT, TensorRt, can_capture, open_session

LAYOUT = REASSEMBLE_LAYOUT


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
def runs(monkeypatch):
    """Sessions say that they can capture; the ids under which they ran, as onnxruntime got them."""
    ids = []
    real = onnxruntime.RunOptions

    class Options:
        def __new__(cls):
            options = real()
            return SimpleNamespace(add_run_config_entry=partial(cls.note, options), real=options)

        @staticmethod
        def note(options, name, value):
            assert name == "gpu_graph_id"
            options.add_run_config_entry(name, value)
            ids.append(int(value))

    run = onnxruntime.InferenceSession.run_with_iobinding
    monkeypatch.setattr(
        onnxruntime.InferenceSession,
        "run_with_iobinding",
        lambda session, binding, options: run(session, binding, options.real),
    )
    monkeypatch.setattr(onnxruntime, "RunOptions", Options)
    monkeypatch.setattr(io_binding, "can_capture", lambda session: True)
    return ids


def windows_of_sizes(sizes):
    for seed, size in enumerate(sizes):
        yield replace(random_window(LAYOUT, seed), images=images_of(*size, seed))


def test_what_may_be_captured_keeps_its_place_and_gives_the_same_bits(model, runs):
    """An ordinary run, one that is captured, replays; anew for each size of the pictures."""
    session = open_session(model, threads=1)
    plain = open_session(model, threads=1)
    bound, pack = BoundSession(session, "feature"), WindowPacker(LAYOUT)
    small, large = (24, 32), (48, 16)
    features, expected, places = [], [], []
    for window in windows_of_sizes([small] * 4 + [large] * 3 + [small] * 2):
        inputs = pack([window])
        features.append(bound(inputs))
        expected.append(plain.run(["feature"], inputs)[0])
        places.append(bound._kept_output and bound._kept_output.data_ptr())
    assert runs == [-1, 1, 1, 1, -1, 2, 2, -1, 3]
    assert [f.tobytes() for f in features] == [e.tobytes() for e in expected]
    assert len({*places[1:4]}) == len({*places[5:7]}) == 1


def test_a_size_that_changes_all_the_time_is_not_captured_for_ever(model, runs):
    bound, pack = BoundSession(open_session(model, threads=1), "feature"), WindowPacker(LAYOUT)
    sizes = [size for _ in range(MAX_GRAPHS) for size in [(24, 32)] * 2 + [(48, 16)] * 2]
    for window in windows_of_sizes(sizes):
        bound(pack([window]))
    assert max(runs) == MAX_GRAPHS
    assert not bound.captures
    assert set(runs[2 * MAX_GRAPHS :]) == {-1}


def test_without_a_gpu_nothing_is_captured(model):
    session = open_session(model, threads=1, graphs=True)
    assert not can_capture(session)
    assert not Encoder(model.path, graphs=True)._device._bound.captures


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", TENSORRT])
def test_a_session_is_asked_for_graphs_and_opened_without_where_they_do_not_hold(
    model, tmp_path, monkeypatch, caplog, provider
):
    """onnxruntime refuses a model of which some part runs on the CPU."""
    asked = []
    real = onnxruntime.InferenceSession

    def refuse_graphs(data, options, providers):
        asked.append(dict(providers)[provider])
        if len(asked) == 1:
            raise RuntimeError("This session cannot use the graph capture feature\nas requested")
        return real(data, options, providers=["CPUExecutionProvider"])

    names = [TENSORRT, "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse_graphs)
    tensorrt = TensorRt(tmp_path / "engines") if provider == TENSORRT else None
    with caplog.at_level(logging.WARNING):
        session = open_session(model, 1, tensorrt=tensorrt, graphs=True)
    option = "enable_cuda_graph" if tensorrt is None else "trt_cuda_graph_enable"
    assert [options.get(option) for options in asked] == ["1", None]
    assert "opened without CUDA graphs: This session cannot use the graph" in caplog.text
    assert not can_capture(session)


def test_a_capture_that_fails_in_mid_run_is_given_up(model, runs, monkeypatch, caplog):
    """On the same provider: it is not the GPU that is lost."""
    monkeypatch.setattr(device, "offers_gpu", lambda: True)
    encoder, window = Encoder(model.path, graphs=True), random_window(LAYOUT, 3)
    assert encoder._device._bound.captures
    opened = []

    def open_again(*arguments, **how):
        opened.append(how)
        return open_session(*arguments, **how)

    def fail(binding, options):
        raise RuntimeError("CUDA failure 901: operation failed due to a previous error")

    monkeypatch.setattr(device, "open_session", open_again)
    monkeypatch.setattr(encoder._device.session, "run_with_iobinding", fail)
    monkeypatch.setattr(io_binding, "can_capture", lambda session: False)
    with caplog.at_level(logging.WARNING):
        feature = encoder(window)
    assert "CUDA graphs failed, without them now: CUDA failure 901" in caplog.text
    assert opened == [{"require_gpu": False, "tensorrt": None}]
    assert feature.tobytes() == Encoder(model.path)(window).tobytes()


@pytest.fixture
def failing(model, monkeypatch):
    """failing(require_gpu): an encoder that seems to be on a GPU, which then fails."""

    def make(require_gpu):
        encoder = Encoder(model.path)
        encoder._device._must_stay = require_gpu
        monkeypatch.setattr(
            encoder._device.session, "get_providers", lambda: ["CUDAExecutionProvider"]
        )

        def fail(binding, options=None):
            raise RuntimeError("CUDA failure 700: an illegal memory access")

        monkeypatch.setattr(encoder._device.session, "run_with_iobinding", fail)
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
