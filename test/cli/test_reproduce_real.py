# SPDX-License-Identifier: Apache-2.0
"""`m2r2 reproduce real`: anybody's features or recordings, each held out, in one table."""

from __future__ import annotations

import json

import pytest
from foreign_features import write_kitchen

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import FeatureFolder, Split, write_split
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.experiments.head_predictions import open_head

pytest.importorskip("torch")

STAGES = """
encoders: {}
heads:
  mstcn: {optimiser: {epochs: 1}, model: {stages: 2, layers: 2, channels: 8}}
  causal: {optimiser: {epochs: 1}, least_steps: 1, model: {layers: 2, channels: 8, members: 1}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    (folder / "stages.yaml").write_text(STAGES)
    kitchen = write_kitchen(folder / "kitchen", 5)
    names = [f"rgb-{n:02d}" for n in range(6)]
    write_split(kitchen, 2, Split(tuple(names[2:]), tuple(names[:2])))
    assert real(folder, "--rows", "mstcn", "--seeds", "0,1") == 0
    return folder


def real(place, *more: object, data: str = "kitchen") -> int:
    told = ["--data", place / data, "--out", place / "out", "--config", place / "stages.yaml"]
    return main(["reproduce", "real", *map(str, [*told, "--rate", 5, *more])])


def test_a_cell_counts_the_test_recordings_of_all_splits(place):
    content = json.loads((place / "out" / "real.json").read_text())
    cell = content["rows"]["mstcn"]["fine"]["f1@50"]
    assert content["data"]["parts"] == ["split1", "split2"]
    pairs = []
    for part, names in (("split1", ("rgb-04", "rgb-05")), ("split2", ("rgb-00", "rgb-01"))):
        head = open_head(place / "out" / "heads" / "mstcn" / "fine" / "seed1" / part)
        for name in names:
            read = FeatureFolder(place / "kitchen").read(name)
            pairs.append((head.predict(read.features, name).labels, read.labels))
    assert cell["values"][1] == pytest.approx(score_many(pairs)["f1@50"])
    assert (place / "out" / "real.md").read_text().startswith("# Heads on kitchen\n")


def test_what_is_there_is_not_done_again(place, monkeypatch):
    before = (place / "out" / "real.json").read_text()
    monkeypatch.setattr(
        "m2r2_ros.experiments.head_training.HeadTraining.train",
        lambda *_: pytest.fail("has been trained already"),
    )
    assert real(place, "--rows", "mstcn", "--seeds", "0,1") == 0
    assert (place / "out" / "real.json").read_text() == before


def test_recordings_without_an_encoder(place, capsys, tmp_path):
    assert main(["reproduce", "real", "--data", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "recordings need an --encoder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--rows", "astf"], "no head 'astf'"),
        (["--head", "asrf"], "--head is for table2"),
        (["--sample-rate", "2"], "was begun otherwise (rate"),
        (["--encoder", "nowhere.onnx"], "holds no recording"),
    ],
)
def test_refusals(place, capsys, more, said):
    assert real(place, *more) == 2
    assert said in capsys.readouterr().err
