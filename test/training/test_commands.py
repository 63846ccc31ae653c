# SPDX-License-Identifier: Apache-2.0
"""The commands as a user runs them, on small made-up data."""

import json

import numpy as np
import pytest

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import Split, write_mapping, write_recording_features, write_split
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.training import streaming_method

LABELS = ("pour milk", "stir", "rest a while")
DIMENSION = 5


@pytest.fixture
def data(tmp_path):
    """A data set that this package did not make: other labels, another dimension."""
    folder = tmp_path / "data"
    names = [f"subject {i}" for i in range(4)]
    for i, name in enumerate(names):
        random = np.random.default_rng(i)
        classes = np.repeat(random.permutation(len(LABELS)), 12)
        features = np.eye(len(LABELS), DIMENSION)[classes] + random.normal(0, 0.1, (36, DIMENSION))
        write_recording_features(folder, name, features, [LABELS[c] for c in classes])
    write_mapping(folder, LABELS)
    write_split(folder, 2, Split(tuple(names[:3]), tuple(names[3:])))
    (tmp_path / "settings.yaml").write_text("model: {channels: 8, layers: 2, look_ahead: 2}\n")
    return folder


@pytest.fixture
def without_graph(monkeypatch):
    """The export takes longer than the training, for a graph that the test does not look at."""
    monkeypatch.setattr(streaming_method, "export_head", lambda *arguments: 0.0)


def train(data, *more):
    out = data.parent / "out"
    settings = data.parent / "settings.yaml"
    arguments = ["--data", data, "--split", "2", "--head", "causal", "--out", out]
    return main(["train", *map(str, [*arguments, "--config", settings, *more])]), out


def test_train_makes_a_head_that_streams(data, capsys):
    status, out = train(data, "--epochs", "2", "--seed", "3")
    assert status == 0
    assert "head.onnx" in capsys.readouterr().out
    head = StreamingHead(out / "head.onnx")
    assert head.labels == LABELS
    assert head.metadata.look_ahead == 2
    assert head.metadata.encoder_sha256 == ""
    assert head.metadata.training_data == "3 recordings: subject 0, subject 1, subject 2"
    probabilities, boundary = head.step(np.zeros(DIMENSION, np.float32))
    assert probabilities.shape == (3,) and 0 <= boundary <= 1
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [0, 1]


def test_the_head_names_the_encoder_of_its_features(data):
    record = {"made_with": {"encoder_sha256": "abc"}, "recordings": {}}
    (data / "extraction.json").write_text(json.dumps(record))
    status, out = train(data, "--epochs", "1")
    assert status == 0
    assert StreamingHead(out / "head.onnx").metadata.encoder_sha256 == "abc"


@pytest.mark.parametrize(
    "more, said",
    [
        ([], ""),
        (["neu"], "1 of 4 labels are in no training recording and cannot be learned: 'neu'"),
        ([*"uvwxyz"], "6 of 9 labels are in no training recording and cannot be learned: 'u', "),
    ],
)
def test_labels_without_a_recording_to_learn_from_are_said(data, without_graph, capsys, more, said):
    write_mapping(data, [*LABELS, *more])
    assert train(data, "--epochs", "1")[0] == 0
    error = capsys.readouterr().err
    assert said in error and ("cannot be learned" in error) == bool(said)
    assert ("'y', ..." in error) == (len(more) > 5)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: (d / "mapping.txt").unlink(), "mapping.txt: no such file"),
        (lambda d: (d.parent / "settings.yaml").write_text("model: {layer: 2}"), "'layers'"),
        (lambda d: (d / "extraction.json").write_text("{}"), "extraction.json: cannot be read"),
        (
            lambda d: write_recording_features(d, "subject 1", np.zeros((4, 3)), ["stir"] * 4),
            "different dimensions: [3, 5]",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(data, change, message, capsys):
    change(data)
    status, out = train(data, "--epochs", "1")
    error = capsys.readouterr().err
    assert status == 2
    assert message in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not (out / "head.onnx").exists()


def test_epochs_must_be_positive(data, capsys):
    assert train(data, "--epochs", "0")[0] == 2
    assert "--epochs must be at least 1" in capsys.readouterr().err


def test_export_refuses_what_is_no_pretraining_run(tmp_path, capsys):
    out = str(tmp_path / "encoder.onnx")
    assert main(["export", str(tmp_path / "none"), "--out", out]) == 2
    assert "is no training run" in capsys.readouterr().err
    (tmp_path / "settings.yaml").write_text("kind: causal\n")
    assert main(["export", str(tmp_path), "--out", out]) == 2
    assert "its training has not ended" in capsys.readouterr().err
    (tmp_path / "settings.yaml").write_text("kind: no such head\n")
    assert main(["export", str(tmp_path), "--out", out]) == 2
    assert "no run of `m2r2 pretrain`" in capsys.readouterr().err
    (tmp_path / "settings.yaml").write_text("kind: m2r2\nsettings: {imagenet: false}\n")
    assert main(["export", str(tmp_path), "--out", out]) == 2
    assert "no finished epoch yet" in capsys.readouterr().err


def test_pretrain_names_a_folder_without_recordings(tmp_path, capsys):
    arguments = ["--encoder", "m2r2", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main(["pretrain", *arguments]) == 2
    assert "holds no recording" in capsys.readouterr().err


def test_a_clip_encoder_begins_with_no_other(tmp_path, capsys):
    words = ["--encoder", "roboact", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main(["pretrain", *words, "--from", "encoder.onnx"]) == 2
    assert "--from is for --encoder m2r2" in capsys.readouterr().err


def test_a_head_that_recognises_nothing_says_what_to_do(data, without_graph, capsys):
    (data.parent / "settings.yaml").write_text(
        "model: {channels: 8, layers: 2}\ntracker: {unknown_below: 1.0, commit_level: 1.0}\n"
    )
    assert train(data, "--epochs", "1")[0] == 0
    assert "no action is recognised: train for longer" in capsys.readouterr().out


def test_an_offline_head_says_what_its_best_epoch_reached(data, capsys):
    (data.parent / "settings.yaml").write_text("model: {channels: 8, layers: 2}\n")
    out = data.parent / "asrf"
    words = ["--data", data, "--split", 2, "--head", "asrf", "--out", out, "--epochs", 3]
    assert main(["train", *map(str, [*words, "--config", data.parent / "settings.yaml"])]) == 0
    epochs = list(map(json.loads, (out / "metrics.jsonl").read_text().splitlines()))
    reached = max(epoch["validation/f1@50"] for epoch in epochs)
    said = capsys.readouterr().out
    assert f"F1@50 {reached:.1f} on the validation recordings" in said
    assert ("no action is recognised" in said) is (reached == 0)


def test_a_head_that_recognises_something_needs_no_advice(data, without_graph, capsys):
    assert train(data, "--epochs", "40")[0] == 0
    said = capsys.readouterr().out
    assert " % of the actions recognised" in said and "no action" not in said
