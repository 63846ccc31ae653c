# SPDX-License-Identifier: Apache-2.0
"""The extraction benchmark, on a recording of two seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import recording
from tiny_models import write_encoder

from m2r2_ros.benchmarks import extract
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.sensing.layout import SensorLayout


def test_compares_every_way_with_bare_calls(tmp_path: Path, monkeypatch) -> None:
    write_encoder(tmp_path / "encoder.onnx", SensorLayout(cameras=("hama1",)))
    write_recording(tmp_path / "a.h5", recording(2.0, "a", cameras=("hama1",)))
    monkeypatch.setattr(extract, "shipped", lambda name: tmp_path / "a.h5")
    result = extract.run(Options(1.0, 2, tmp_path, tmp_path))
    assert result["recording_s"] == pytest.approx(2.0, abs=0.2)
    for way in ("single", "batch_8", "encoding"):
        for clock in ("wall", "cpu"):
            measured = result[way][clock]
            assert measured["repetitions"] == 2
            assert measured["speed"] == pytest.approx(1 / measured["ratio"], rel=1e-2)
        seconds = result[way]["wall"]["ours"]["median"]
        assert result[way]["times_real_time"] == pytest.approx(
            result["recording_s"] / seconds, rel=1e-2
        )
