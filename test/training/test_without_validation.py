# SPDX-License-Identifier: Apache-2.0
"""Heads that learn from all recordings, up to the last epoch, and folders that do not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from foreign_features import SETTINGS, write_kitchen

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.tracker import TrackerConfig

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
load_file = pytest.importorskip("safetensors.numpy").load_file


def train(folder, out, head, settings, *more):
    config = folder.parent / f"{head}.yaml"
    config.write_text(yaml.safe_dump(settings))
    place = ["--data", str(folder), "--split", "1", "--out", str(out), "--rate", "5"]
    return main(["train", "--head", head, *place, "--config", str(config), *map(str, more)])


def moments(folder):
    rows = [FeatureFolder(folder).features(n) for n in FeatureFolder(folder).split(1).train]
    return np.concatenate(rows).astype(float).mean(0)


def test_a_causal_head_without_validation_is_that_of_the_last_epoch(tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 5)
    settings = SETTINGS | {"validation": 0.0, "tracker_delay_s": 0.4}
    settings["optimiser"] = SETTINGS["optimiser"] | {"epochs": 3}
    out = tmp_path / "run"
    assert train(folder, out, "causal", settings) == 0
    assert "no validation to choose them on" in capsys.readouterr().out
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert not any(key.startswith("validation") for line in lines for key in line)
    best, last = load_file(out / "best.safetensors"), load_file(out / "checkpoint.safetensors")
    assert all(np.array_equal(best[name], last[name]) for name in best)
    head = StreamingHead(out / "head.onnx")
    assert head.metadata.tracker == TrackerConfig()
    weights = {
        t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(head.path).graph.initializer
    }
    np.testing.assert_allclose(weights["head.mean"].ravel(), moments(folder), rtol=1e-6)


def test_an_offline_head_without_validation_goes_on_where_it_was(tmp_path, capsys):
    folder, out = write_kitchen(tmp_path / "kitchen", 5), tmp_path / "run"
    settings = {"model": {"stages": 1, "layers": 3, "channels": 8}, "validation": 0.0}
    assert train(folder, out, "mstcn", settings | {"optimiser": {"epochs": 3}}) == 0
    assert "epoch 3, the last one" in capsys.readouterr().out
    whole = load_file(out / "best.safetensors")
    np.testing.assert_allclose(whole["standardise.mean"], moments(folder), rtol=1e-6)
    record = yaml.safe_load((out / "settings.yaml").read_text())
    assert record["validation"] == [] and len(record["training"]) == 4
    assert train(folder, out, "mstcn", settings | {"optimiser": {"epochs": 3}}) == 0


def test_lengths_that_differ_train_and_are_scored_on_request(tmp_path, capsys):
    folder, out = write_kitchen(tmp_path / "kitchen", 5), tmp_path / "run"
    settings = {"model": {"stages": 1, "layers": 3, "channels": 8}, "optimiser": {"epochs": 1}}
    for name, more in (("rgb-01", 2), ("rgb-05", 3)):
        file = folder / "groundTruth" / f"{name}.txt"
        file.write_text(file.read_text() + "peel_cucumber\n" * more)
    assert train(folder, out, "mstcn", settings) == 2
    assert "(--crop cuts to the shorter)" in capsys.readouterr().err
    assert train(folder, out, "mstcn", settings, "--crop") == 0
    said = capsys.readouterr().err
    assert "1 recordings are cut" in said and "the most of 'rgb-01' by 2" in said
    words = ["--data", str(folder), "--split", "1", "--json", str(tmp_path / "s.json")]
    assert main(["evaluate", *words, "--model", str(out)]) == 2
    assert main(["evaluate", *words, "--model", str(out), "--crop"]) == 0
    assert "the most of 'rgb-05' by 3" in capsys.readouterr().err
    scores = json.loads((tmp_path / "s.json").read_text())
    found = tmp_path / "found"
    place = ["--data", str(folder), "--split", "1", "--model", str(out), "--out", str(found)]
    assert main(["predict", *place]) == 0
    assert main(["evaluate", *words, "--predictions", str(found)]) == 2
    assert main(["evaluate", *words, "--predictions", str(found), "--crop", "--rate", "5"]) == 0
    assert json.loads((tmp_path / "s.json").read_text()) == pytest.approx(scores)
