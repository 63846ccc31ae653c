# SPDX-License-Identifier: Apache-2.0
"""The ingest benchmark runs, loses nothing and reports what it should."""

from __future__ import annotations

import json

import pytest
from tiny_models import write_models

from m2r2_ros.cli.main import main
from m2r2_ros.sensing.layout import SensorLayout


@pytest.mark.ros
def test_a_short_load(tmp_path):
    pytest.importorskip("rclpy")
    models = write_models(tmp_path / "models", SensorLayout())
    path = tmp_path / "bench.json"
    arguments = ["--seconds", "1", "--models", str(models), "--json", str(path)]
    assert main(["bench", "ingest", *arguments]) == 0
    result = json.loads(path.read_text())["ingest"]
    assert result["lost"] == 0
    for name in ("synchronizer", "online"):
        assert result[name]["messages"] == 3 * 1000 + 2 * 30 + 50
        assert result[name]["core_fraction"] > 0
        assert 5 <= result[name]["windows"] <= 10


def test_a_misspelled_name(capsys):
    assert main(["bench", "ingset"]) == 2
    assert "unknown benchmark 'ingset' (did you mean 'ingest'?)" in capsys.readouterr().err
