# SPDX-License-Identifier: Apache-2.0
"""tools/look_ahead_plot.py: heads that differ in their look-ahead, on recordings kept for it."""

from __future__ import annotations

import json

import pytest
import yaml
from foreign_features import SETTINGS, write_kitchen

from m2r2_ros.cli.main import main

pytest.importorskip("torch")
look_ahead_plot = pytest.importorskip("look_ahead_plot")


def test_a_curve_a_head(tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 5)
    heads = []
    for frames in (0, 2):
        settings = SETTINGS | {"model": SETTINGS["model"] | {"look_ahead": frames}}
        (tmp_path / "head.yaml").write_text(yaml.safe_dump(settings))
        out = tmp_path / f"run{frames}"
        words = ["--data", folder, "--split", 1, "--out", out, "--config", tmp_path / "head.yaml"]
        words += ["--validation", "rgb-02", "--rate", 5, "--epochs", 2]
        assert main(["train", "--head", "causal", *map(str, words)]) == 0
        heads.append(str(out / "head.onnx"))
    picture = tmp_path / "curve.png"
    words = ["--data", str(folder), "--out", str(picture), "--validation"]
    assert look_ahead_plot.main([*heads, *words, "rgb-02"]) == 0
    points = json.loads(picture.with_suffix(".json").read_text())
    assert picture.stat().st_size > 10_000
    found = [(point["head"], point["look_ahead"], point["commit_level"]) for point in points]
    assert found == [(f"run{n}", n, level) for n in (0, 2) for level in look_ahead_plot.LEVELS]
    assert all(0 <= p["f1@50"] <= 100 and p["label_delay_s"] >= 0 for p in points)
    capsys.readouterr()
    assert look_ahead_plot.main([*heads, *words, "rgb-99"]) == 2
    assert "rgb-99" in capsys.readouterr().err
