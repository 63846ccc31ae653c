# SPDX-License-Identifier: Apache-2.0
"""Offline heads: they learn, go on after a kill, and take anybody's data set."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    LabelledFeatures,
    Split,
    write_mapping,
    write_recording_features,
    write_split,
)
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.labels import legacy_vocabulary
from m2r2_ros.networks.heads.asrf import AsrfConfig
from m2r2_ros.networks.heads.diffact import DiffActConfig
from m2r2_ros.networks.heads.mstcn import MsTcnConfig
from m2r2_ros.training import loop
from m2r2_ros.training.heads.asrf import AsrfSettings
from m2r2_ros.training.heads.diffact import DiffActSettings
from m2r2_ros.training.heads.mstcn import MsTcnSettings
from m2r2_ros.training.offline_heads import OfflineHead, train_offline_head
from m2r2_ros.training.run import cost
from m2r2_ros.training.sequences import read_sequences
from m2r2_ros.training.settings import OptimiserSettings

LABELS = ["No action", "pour the milk", "stir"]
VOCABULARY = legacy_vocabulary(LABELS)
RATE_HZ, DIMENSION = 30, 7
SETTINGS = {
    "mstcn": MsTcnSettings(
        model=MsTcnConfig(stages=2, layers=4, channels=16, dropout=0.1),
        optimiser=OptimiserSettings(epochs=12, batch_size=1, learning_rate=1e-2),
    ),
    "asrf": AsrfSettings(
        model=AsrfConfig(
            layers=4, channels=16, dropout=0.1, segmentation_stages=2, boundary_stages=2
        ),
        optimiser=OptimiserSettings(epochs=5, batch_size=1, learning_rate=1e-2),
    ),
    "diffact": DiffActSettings(
        model=DiffActConfig(
            encoder_layers=2,
            encoder_channels=16,
            encoder_dropout=0.1,
            feature_dropout=0.1,
            feature_layers=(0, 1),
            decoder_layers=2,
            decoder_channels=16,
            time_dimension=32,
            sampling_steps=4,
            median_filter=5,
        ),
        optimiser=OptimiserSettings(epochs=8, batch_size=1, learning_rate=1e-2),
    ),
}


def recording(seed: int) -> LabelledFeatures:
    """A few seconds at 30 Hz: the classes' own mean features under noise."""
    random = np.random.default_rng(seed)
    order = [0, *random.permutation([1, 2, 0]), 1]
    classes = np.repeat(order, random.integers(RATE_HZ // 2, RATE_HZ, len(order)))
    means = np.random.default_rng(99).normal(size=(len(LABELS), DIMENSION)) * 5 + 20
    features = means[classes] + random.normal(size=(len(classes), DIMENSION))
    labels = [LABELS[i] for i in classes]
    return LabelledFeatures(f"take {seed}", features.astype(np.float32), labels, classes)


@pytest.fixture(scope="module")
def recordings():
    return [recording(seed) for seed in range(6)]


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_head_learns_what_can_be_learned(kind, recordings, tmp_path):
    weights = train_offline_head(
        kind, recordings, VOCABULARY, tmp_path, validation=[recording(50)], settings=SETTINGS[kind]
    )
    assert weights == tmp_path / "best.safetensors" and weights.is_file()
    head, unseen = OfflineHead.load(tmp_path), [recording(seed) for seed in (100, 101)]
    found = [head.predict(one.features) for one in unseen]
    scores = score_many([(f.labels, one.labels) for f, one in zip(found, unseen, strict=True)])
    assert scores["f1@50"] > 90 and scores["acc"] > 90
    for one in found:
        assert one.labels == [LABELS[i] for i in one.classes]
        assert one.probabilities.dtype == np.float32
        np.testing.assert_allclose(one.probabilities.sum(1), 1, atol=1e-5)
    again = head.predict(unseen[0].features)
    np.testing.assert_array_equal(again.probabilities, found[0].probabilities)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    assert all(line["validation/f1@50"] <= 100 for line in lines)


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_run_that_was_killed_goes_on_to_the_same_losses(kind, recordings, tmp_path, monkeypatch):
    settings = SETTINGS[kind]
    settings = replace(settings, optimiser=replace(settings.optimiser, epochs=2))
    train_offline_head(
        kind, recordings[:3], VOCABULARY, tmp_path / "whole", seed=4, settings=settings
    )

    def killed_in_the_second_epoch(*arguments):
        if killed_in_the_second_epoch.calls == 1:
            raise KeyboardInterrupt
        killed_in_the_second_epoch.calls += 1
        return descend(*arguments)

    descend, killed_in_the_second_epoch.calls = loop._descend, 0
    monkeypatch.setattr(loop, "_descend", killed_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train_offline_head(
            kind, recordings[:3], VOCABULARY, tmp_path / "parts", seed=4, settings=settings
        )
    monkeypatch.setattr(loop, "_descend", descend)
    train_offline_head(
        kind, recordings[:3], VOCABULARY, tmp_path / "parts", seed=4, settings=settings
    )
    whole, parts = ((tmp_path / n / "metrics.jsonl").read_text() for n in ("whole", "parts"))
    assert whole == parts and whole.count("\n") == 2
    with pytest.raises(M2R2Error, match="other settings"):
        train_offline_head(
            kind, recordings[:3], VOCABULARY, tmp_path / "parts", seed=5, settings=settings
        )


def test_the_best_epoch_has_the_highest_f1_and_then_the_lowest_loss():
    epochs = [(50.0, 1.0), (80.0, 3.0), (80.0, 2.0), (70.0, 0.5)]
    metrics = [{"validation/f1@50": f1, "validation/loss": loss} for f1, loss in epochs]
    assert min(metrics, key=cost) is metrics[2]
    assert cost({"validation/loss": 0.25}) == 0.25


@pytest.fixture
def data(tmp_path):
    """A data set in the MS-TCN layout that this package did not make."""
    folder = tmp_path / "data"
    for seed in range(5):
        one = recording(seed)
        write_recording_features(folder, one.name, one.features, one.labels)
    write_mapping(folder, LABELS)
    names = [f"take {seed}" for seed in range(5)]
    write_split(folder, 3, Split(tuple(names[:4]), tuple(names[4:])))
    (tmp_path / "settings.yaml").write_text(
        "model: {stages: 2, layers: 4, channels: 16, dropout: 0.1}\n"
        "optimiser: {learning_rate: 0.01, batch_size: 1}\n"
    )
    return folder


def command(data, verb, *more):
    return main([verb, "--data", str(data), "--split", "3", *map(str, more)])


def train(data, *more):
    out, config = data.parent / "run", data.parent / "settings.yaml"
    return command(data, "train", "--head", "mstcn", "--out", out, "--config", config, *more), out


def test_train_predict_and_evaluate_anybodys_data(data, tmp_path, capsys):
    status, run = train(data, "--epochs", "12", "--seed", "2")
    assert status == 0
    assert command(data, "predict", "--model", run, "--out", tmp_path / "found") == 0
    labels = (tmp_path / "found" / "predictions" / "take 4.txt").read_text().splitlines()
    truth = FeatureFolder(data).ground_truth("take 4")
    assert len(labels) == len(truth) and set(labels) <= set(LABELS)
    assert np.mean([a == b for a, b in zip(labels, truth, strict=True)]) > 0.9
    probabilities = np.load(tmp_path / "found" / "probabilities" / "take 4.npy")
    assert probabilities.shape == (3, len(truth))
    assert (tmp_path / "found" / "mapping.txt").read_text().splitlines()[1] == "1 pour the milk"
    file = tmp_path / "scores.json"
    assert command(data, "evaluate", "--model", run, "--json", file, "--rate", RATE_HZ) == 0
    scores = json.loads(file.read_text())
    published = ["acc", "edit", "f1@10", "f1@25", "f1@50", "dr", "dr_truth"]
    assert list(scores) == [*published, "f1@50_actions", "boundary_f1"]
    assert scores["f1@50"] > 90


def test_predictions_that_are_there_are_kept(data, tmp_path):
    _, run = train(data, "--epochs", "1")
    kept = tmp_path / "found" / "predictions" / "take 4.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("stir\n")
    assert command(data, "predict", "--model", run, "--out", tmp_path / "found") == 0
    assert kept.read_text() == "stir\n"


def test_coarse_labels_are_the_activities(tmp_path):
    labels = ["Pick USB", "No action", "Pick BNC", "Insert USB"]
    write_recording_features(tmp_path, "a", np.ones((4, 2)), labels)
    write_mapping(tmp_path, labels)
    folder, vocabulary = FeatureFolder(tmp_path), legacy_vocabulary(labels)
    (one,), learned = read_sequences(folder, ["a"], vocabulary, "coarse")
    assert learned.labels == ("Pick", "No action", "Insert") and learned.idle == ("No action",)
    assert one.labels == ["Pick", "No action", "Pick", "Insert"]
    assert one.classes.tolist() == [0, 1, 0, 2]
    (one,), learned = read_sequences(folder, ["a"], vocabulary, "fine")
    assert learned == vocabulary and one.classes.tolist() == [0, 1, 2, 3]


def spoil_features(folder):
    features = np.ones((len(FeatureFolder(folder).ground_truth("take 1")), DIMENSION))
    features[3, 2] = np.nan
    write_recording_features(folder, "take 1", features, None)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (
            lambda d: (d / "groundTruth/take 1.txt").write_text("stir\npour the silk\n"),
            "groundTruth/take 1.txt: label 'pour the silk' is not in mapping.txt",
        ),
        (
            lambda d: (d / "groundTruth/take 1.txt").write_text("stir\n" * 9),
            "groundTruth/take 1.txt: 9 labels, but",
        ),
        (
            lambda d: (d / "splits/train.split3.bundle").write_text("\n"),
            "splits/train.split3.bundle: names no recording",
        ),
        (spoil_features, "features/take 1.npy: holds NaN or infinite values"),
        (
            lambda d: write_split(d, 3, Split(("take 1",), ("take 4",))),
            "training needs at least two recordings",
        ),
        (
            lambda d: (d.parent / "settings.yaml").write_text("model: {chanels: 3}"),
            "unknown entry 'chanels'",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(data, spoil, message, capsys):
    spoil(data)
    status, run = train(data, "--epochs", "1")
    error = capsys.readouterr().err
    assert status == 2
    assert message in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not (run / "best.safetensors").exists()


def test_a_head_refuses_other_features_and_runs(data, tmp_path, capsys):
    _, run = train(data, "--epochs", "1")
    head = OfflineHead.load(run)
    with pytest.raises(M2R2Error, match=r"takes features of 7 numbers, features is an array"):
        head.predict(np.ones((4, 3), np.float32))
    with pytest.raises(M2R2Error, match="take 9: holds NaN"):
        head.predict(np.full((4, DIMENSION), np.nan, np.float32), "take 9")
    (run / "settings.yaml").write_text("kind: mstcn\n")
    assert command(data, "predict", "--model", run, "--out", tmp_path / "found") == 2
    assert "are not of one run" in capsys.readouterr().err
    (run / "settings.yaml").write_text("kind: mstnc\n")
    assert command(data, "predict", "--model", run, "--out", tmp_path / "found") == 2
    assert "no offline head 'mstnc'" in capsys.readouterr().err
    (run / "settings.yaml").write_text("kind: causal\n")
    assert command(data, "predict", "--model", run, "--out", tmp_path / "found") == 2
    assert "'causal' is a streaming head: `m2r2 evaluate" in capsys.readouterr().err
    assert command(data, "predict", "--model", tmp_path / "none", "--out", tmp_path / "found") == 2
    assert "is no training run" in capsys.readouterr().err


def test_training_does_not_depend_on_what_torch_did_before(recordings, tmp_path):
    settings = SETTINGS["mstcn"]
    settings = replace(settings, optimiser=replace(settings.optimiser, epochs=1))
    for name in ("one", "other"):
        torch.rand(7)
        train_offline_head("mstcn", recordings, VOCABULARY, tmp_path / name, settings=settings)
    one, other = ((tmp_path / n / "metrics.jsonl").read_text() for n in ("one", "other"))
    assert one == other


def cut_folder(folder):
    """Two recordings; of the first, frames in the middle are unlabelled."""
    random = np.random.default_rng(0)
    write_mapping(folder, LABELS)
    truths = {
        "cut": ["stir"] * 20 + ["unlabelled"] * 10 + ["pour the milk"] * 20,
        "whole": ["No action"] * 25 + ["stir"] * 25,
    }
    for name, truth in truths.items():
        write_recording_features(folder, name, random.normal(size=(50, DIMENSION)), truth)
    write_split(folder, 1, Split(("cut", "whole"), ("cut",)))
    return FeatureFolder(folder)


def test_unlabelled_frames_are_not_learned(tmp_path):
    folder = cut_folder(tmp_path)
    assert folder.labels == LABELS
    sequences, learned = read_sequences(folder, ["cut", "whole"], VOCABULARY)
    assert learned == VOCABULARY
    assert [(s.name, len(s.labels)) for s in sequences] == [("cut", 20), ("cut", 20), ("whole", 50)]
    np.testing.assert_array_equal(sequences[1].features, folder.features("cut")[30:])
    assert sequences[1].classes.tolist() == [1] * 20
    assert all(s.classes.min() >= 0 for s in sequences)


def test_sequences_keep_the_stamps_of_their_frames(tmp_path):
    folder = cut_folder(tmp_path)
    read = folder.read("cut")
    stamps_ns = np.arange(50, dtype=np.int64) * 90_000_000
    write_recording_features(folder.path, "cut", read.features, read.labels, stamps_ns)
    first, second, whole = read_sequences(folder, ["cut", "whole"], VOCABULARY)[0]
    np.testing.assert_array_equal(first.stamps_ns, stamps_ns[:20])
    np.testing.assert_array_equal(second.stamps_ns, stamps_ns[30:])
    assert whole.stamps_ns is None


def test_parts_of_a_recording_are_never_on_both_sides_of_validation():
    for fraction in (0.1, 0.4, 0.6, 0.9):
        names = ["a", "a", "b", "c", "c", "c", "d"]
        training, held_out = loop.split_validation(names, fraction)
        assert {names[i] for i in training}.isdisjoint(names[i] for i in held_out)
        assert sorted(training + held_out) == list(range(7))
    with pytest.raises(M2R2Error, match="at least two recordings"):
        loop.split_validation(["a", "a"], 0.5)
