# SPDX-License-Identifier: Apache-2.0
"""Sessions: a GPU that is lost is loud, and the settings that a robot needs are on."""

from __future__ import annotations

import logging
from pathlib import Path

import onnxruntime
import pytest
from tiny_models import write_encoder

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference import session as sessions
from m2r2_ros.inference.model_file import ModelFile, read_model
from m2r2_ros.sensing.layout import SensorLayout


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    return read_model(write_encoder(tmp_path / "encoder.onnx", SensorLayout(cameras=())))


@pytest.fixture
def broken_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA is listed, as with a wheel for another CUDA version, and every session gets the CPU."""
    real = onnxruntime.InferenceSession

    def on_cpu(data, options, providers):
        return real(data, options, providers=["CPUExecutionProvider"])

    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(onnxruntime, "InferenceSession", on_cpu)


@pytest.mark.usefixtures("broken_cuda")
def test_a_gpu_that_does_not_start_is_a_warning(model: ModelFile, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        session = sessions.open_session(model, threads=1)
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert "CUDA did not start" in caplog.text


@pytest.mark.usefixtures("broken_cuda")
def test_a_gpu_that_does_not_start_is_an_error_where_it_is_required(model: ModelFile) -> None:
    with pytest.raises(M2R2Error, match="require_gpu forbids the CPU"):
        sessions.open_session(model, threads=1, require_gpu=True)


@pytest.mark.usefixtures("broken_cuda")
def test_a_session_kept_from_the_gpu_says_nothing(model: ModelFile, caplog) -> None:
    sessions.open_session(model, threads=1, allow_gpu=False)
    assert not caplog.records


def test_threads_are_fixed_and_do_not_spin(model: ModelFile) -> None:
    options = sessions.open_session(model, threads=2).get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
