# SPDX-License-Identifier: Apache-2.0
"""`m2r2 evaluate` on a small data set with a tiny head."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_models import FEATURE_DIMENSION, LABELS, write_head

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import Split, write_mapping, write_recording_features, write_split
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.evaluation.streaming import stream
from m2r2_ros.inference.head import StreamingHead

FRAMES = 200
NAMES = ("first", "second")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    write_head(folder / "head.onnx", "0" * 64)
    return folder


def features(name: str) -> np.ndarray:
    """Slow random walks, so that the head's label lasts for a while."""
    random = np.random.default_rng(list(name.encode()))
    return np.cumsum(random.normal(0, 0.2, (FRAMES, FEATURE_DIMENSION)), axis=0, dtype=np.float32)


@pytest.fixture
def data(tmp_path, model):
    """What the head publishes, with every Pick that it finds called Place, is the truth."""
    folder, head = tmp_path / "data", StreamingHead(model / "head.onnx")
    for name in NAMES:
        published = stream(head, features(name), 10).published
        truth = [
            "Pick USB" if label not in LABELS else label.replace("Insert USB", "Insert BNC")
            for label in published
        ]
        write_recording_features(folder, name, features(name), truth)
    write_mapping(folder, [*LABELS, "Insert BNC"])
    write_split(folder, 1, Split(train=NAMES, test=NAMES))
    return folder


def evaluate(data, model, json_path, *more: str) -> int:
    arguments = ["--data", str(data), "--split", "1", "--model", str(model)]
    return main(["evaluate", *arguments, "--json", str(json_path), *more])


def test_scores_are_those_of_what_would_be_published(data, model, tmp_path, capsys):
    path = tmp_path / "scores.json"
    assert evaluate(data, model, path) == 0
    scores = json.loads(path.read_text())
    assert set(scores) == {"acc", "edit", "f1@10", "f1@25", "f1@50", "dr", "delay_s"}
    assert "mean decision delay" in capsys.readouterr().out

    head, pairs = StreamingHead(model / "head.onnx"), []
    for name in NAMES:
        truth = (data / "groundTruth" / f"{name}.txt").read_text().splitlines()
        pairs.append((stream(head, features(name), 10).published, truth))
    delay_s = scores.pop("delay_s")
    assert scores == pytest.approx(score_many(pairs))
    assert 0 <= delay_s < FRAMES / 10


def test_coarse_labels_forgive_the_object(data, model, tmp_path):
    scores = {}
    for level in ("fine", "coarse"):
        assert evaluate(data, model, tmp_path / f"{level}.json", "--labels", level) == 0
        scores[level] = json.loads((tmp_path / f"{level}.json").read_text())
    assert scores["coarse"]["acc"] > scores["fine"]["acc"]


def test_features_of_another_encoder_are_one_clear_line(data, model, tmp_path, capsys):
    write_head(model / "head.onnx", "0" * 64, feature_dimension=FEATURE_DIMENSION + 1)
    assert evaluate(data, model, tmp_path / "scores.json") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("m2r2 evaluate: ")
    assert "takes features of 9 numbers" in error
    assert not (tmp_path / "scores.json").exists()


def test_labels_of_another_data_set_are_one_clear_line(data, model, tmp_path, capsys):
    write_head(model / "head.onnx", "0" * 64, labels=("cut", "peel"))
    assert evaluate(data, model, tmp_path / "scores.json") == 2
    assert "knows none of the labels" in capsys.readouterr().err


def test_model_folder_without_a_head_is_one_clear_line(data, tmp_path, capsys):
    assert evaluate(data, tmp_path, tmp_path / "scores.json") == 2
    assert "head.onnx" in capsys.readouterr().err
