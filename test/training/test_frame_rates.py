# SPDX-License-Identifier: Apache-2.0
"""Features of any rate, and a head that takes some of their frames: time is in seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import yaml
from foreign_features import DIMENSION, LABELS, SETTINGS, kitchen, write_kitchen

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    write_mapping,
    write_prediction,
    write_recording_features,
)
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.predictions import Prediction, score_predictions
from m2r2_ros.experiments.head_predictions import predict
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.metadata import HeadMetadata
from m2r2_ros.inference.segment_events import FramePrediction
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.offline.extraction_record import stated_rate
from m2r2_ros.training.tracker_tuning import score_tracker

pytest.importorskip("torch")


def run(verb, folder, *more):
    return main([verb, "--data", str(folder), "--split", "1", *map(str, more)])


def train(folder, out, *more, head="causal"):
    config = folder.parent / f"{head}.yaml"
    if not config.exists():
        config.write_text(yaml.safe_dump(SETTINGS))
    return run("train", folder, "--head", head, "--out", out, "--config", config, *more)


def planner(head: StreamingHead, features: np.ndarray, ends_s: list[float]) -> list[str]:
    """What a planner holds at each frame's end, by the messages alone."""
    head.reset()
    tracker, held, now = head.metadata.new_tracker(), [], "unknown"
    for index, (feature, end_s) in enumerate(zip(features, ends_s, strict=True)):
        probabilities, boundary = head.step(feature)
        frame = FramePrediction(index, round(end_s * 1e9), probabilities, boundary)
        for event in tracker.step(frame):
            now = "unknown" if event.status.name == "ENDED" else event.label
        held.append(now)
    return held


def delays_s(held: list[str], ends_s: list[float], truth: list[str], rate_hz: float) -> list[float]:
    """From the definition: the first message within an action that says its label, for 0.5 s."""
    starts = [i for i in range(len(truth)) if i == 0 or truth[i] != truth[i - 1]]
    delays = []
    for start, end in zip(starts, [*starts[1:], len(truth)], strict=True):
        start_s, end_s = start / rate_hz, end / rate_hz
        known = [t for t, label in zip(ends_s, held, strict=True) if label == truth[start]]
        for since_s in [t for t in known if start_s <= t < end_s]:
            until_s = next((t for t in ends_s if t > since_s and t not in known), np.inf)
            if until_s >= min(since_s + 0.5, end_s) - 1e-9:
                delays.append(since_s - start_s)
                break
    return delays


@pytest.mark.parametrize("rate_hz", [5, 30])
def test_a_foreign_folder_from_training_to_scores(rate_hz, tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", rate_hz)
    assert train(folder, tmp_path / "run", "--rate", rate_hz) == 0
    head = StreamingHead(tmp_path / "run" / "head.onnx")
    assert head.metadata.rate_hz == rate_hz and head.metadata.sample_rate == 1
    # Nothing has to be said again.
    assert run("evaluate", folder, "--model", tmp_path / "run", "--json", tmp_path / "s.json") == 0
    said = capsys.readouterr()
    assert "a second" not in said.err
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["acc"] > 75 and scores["recognised"] > 75
    delays = []
    for name in FeatureFolder(folder).split(1).test:
        truth = FeatureFolder(folder).ground_truth(name)
        ends_s = [(i + 1) / rate_hz for i in range(len(truth))]
        held = planner(head, FeatureFolder(folder).features(name), ends_s)
        delays += delays_s(held, ends_s, truth, rate_hz)
    assert scores["delay_s"] == pytest.approx(np.mean(delays), abs=1e-6)
    assert 0 < scores["delay_s"] < 1


def test_every_second_frame_is_trained_on_and_all_are_scored(tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 30)
    assert train(folder, tmp_path / "run", "--rate", 30, "--sample-rate", 2) == 0
    head = StreamingHead(tmp_path / "run" / "head.onnx")
    assert (head.metadata.rate_hz, head.metadata.sample_rate) == (15, 2)
    assert run("evaluate", folder, "--model", tmp_path / "run", "--json", tmp_path / "s.json") == 0
    assert "was trained on" not in capsys.readouterr().err
    assert json.loads((tmp_path / "s.json").read_text())["acc"] > 75
    more = "--model", tmp_path / "run", "--json", tmp_path / "s.json", "--sample-rate", 1
    assert run("evaluate", folder, *more) == 0
    said = capsys.readouterr().err
    assert "head.onnx: was trained on 15 frames a second and is given 30" in said
    with pytest.raises(M2R2Error, match="takes one feature in 2, and a robot gives it each"):
        head.metadata.check_encoder(head.path, head.metadata.encoder_sha256)


def test_an_offline_head_keeps_what_it_was_trained_on(tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 30)
    (tmp_path / "mstcn.yaml").write_text(
        "model: {stages: 1, layers: 3, channels: 8}\noptimiser: {epochs: 1}\n"
    )
    out = tmp_path / "run"
    assert train(folder, out, "--rate", 30, "--sample-rate", 2, head="mstcn") == 0
    record = yaml.safe_load((out / "settings.yaml").read_text())
    assert (record["rate_hz"], record["sample_rate"]) == (30, 2)
    assert run("predict", folder, "--model", out, "--out", tmp_path / "found") == 0
    for name in FeatureFolder(folder).split(1).test:
        labels = (tmp_path / "found" / "predictions" / f"{name}.txt").read_text().splitlines()
        frames = len(FeatureFolder(folder).ground_truth(name))
        assert len(labels) == frames
        assert np.load(tmp_path / "found" / "probabilities" / f"{name}.npy").shape == (4, frames)
        assert labels[::2] == [label for label in labels[1::2]] + labels[-1:] * (frames % 2)
    # Another rate is another run; that of a run from before rates were kept is the assumed one.
    assert train(folder, out, "--rate", 30, head="mstcn") == 2
    assert "sample_rate: 2 there, now 1" in capsys.readouterr().err
    older = {key: record[key] for key in record if key not in ("rate_hz", "sample_rate")}
    (out / "settings.yaml").write_text(yaml.safe_dump(older))
    assert train(folder, out, "--rate", 30, head="mstcn") == 2
    assert "rate_hz: 10.0 there, now 30.0" in capsys.readouterr().err
    assert train(folder, out, head="mstcn") == 0
    assert "10 a second are assumed (--rate)" in capsys.readouterr().err


class Counting:
    """A head whose answer at a frame is the frame's first feature."""

    labels, feature_dimension, path = LABELS, 2, "counting"

    @dataclass
    class Answer:
        labels: list[str]
        probabilities: np.ndarray

    def predict(self, features, name):
        classes = features[:, 0].astype(int)
        return self.Answer([LABELS[c] for c in classes], np.eye(len(LABELS))[classes])


@pytest.mark.parametrize(
    ("step", "golden"),
    [
        (1, [0, 1, 2, 3, 0, 1, 2]),
        # MS-TCN: np.concatenate((recognition, [label] * sample_rate)), here to the last frame.
        (2, [0, 0, 2, 2, 0, 0, 2]),
        (3, [0, 0, 0, 3, 3, 3, 2]),
        (9, [0] * 7),
    ],
)
def test_what_is_said_of_a_frame_stands_until_the_next(step, golden, tmp_path):
    features = np.zeros((7, 2), np.float32)
    features[:, 0] = [0, 1, 2, 3, 0, 1, 2]
    write_kitchen(tmp_path, 5)
    write_recording_features(tmp_path, "rgb-00", features, [LABELS[0]] * 7)
    found = predict(Counting(), FeatureFolder(tmp_path), ["rgb-00"], FrameRate(30, step), ())
    (one,) = found
    assert one.labels == [LABELS[c] for c in golden]
    assert one.probabilities.argmax(1).tolist() == golden
    np.testing.assert_allclose(one.edges, np.arange(8) / 30)


@pytest.mark.parametrize("whole", [True, False])
def test_predictions_of_the_frames_that_were_taken_are_repeated(whole, tmp_path):
    folder = write_kitchen(tmp_path / "kitchen", 5)
    write_mapping(tmp_path / "found", LABELS)
    right = total = 0
    for name in FeatureFolder(folder).split(1).test:
        truth = FeatureFolder(folder).ground_truth(name)
        said = [truth[i - i % 3] for i in range(len(truth))]
        right += sum(a == b for a, b in zip(said, truth, strict=True))
        total += len(truth)
        kept = said if whole else said[::3]
        classes = [LABELS.index(label) for label in kept]
        write_prediction(tmp_path / "found", name, kept, np.eye(len(LABELS))[classes])
    words = "--predictions", tmp_path / "found", "--json", tmp_path / "s.json", "--sample-rate", 3
    assert run("evaluate", folder, *words, "--rate", 5) == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["acc"] == pytest.approx(100 * right / total)


def test_a_second_is_a_second_at_any_rate():
    """DR looks for a boundary within a second, boundary F1 within half of one."""
    for rate_hz in (5, 10, 15, 30):
        truth = ["a"] * 4 * rate_hz + ["b"] * 4 * rate_hz
        for late_s, dr, f1 in ((0.4, 100, 100), (0.8, 100, 0), (1.4, 0, 0)):
            late = round(late_s * rate_hz)
            said = ["a"] * late + truth[:-late]
            scores = score_predictions([Prediction("x", said, truth, rate_hz=rate_hz)])
            assert (scores["dr"], scores["boundary_f1"]) == (dr, f1), (rate_hz, late_s)


def test_the_rate_is_what_the_folder_says(tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 30)
    assert stated_rate(FeatureFolder(folder)) is None
    features, labels = kitchen(1, 30)
    stamps_ns = (np.arange(len(labels)) * (1e9 / 29.97)).astype(np.int64)
    write_recording_features(folder, "rgb-01", features, labels, stamps_ns)
    assert stated_rate(FeatureFolder(folder)) == pytest.approx(29.97)
    record = {"made_with": {"layout": {"window_rate_hz": 30.0}, "encoder_sha256": "0"}}
    (folder / "extraction.json").write_text(json.dumps(record))
    assert stated_rate(FeatureFolder(folder)) == 30
    record["made_with"]["layout"]["window_rate_hz"] = 60.0
    (folder / "extraction.json").write_text(json.dumps(record))
    assert stated_rate(FeatureFolder(folder)) == pytest.approx(29.97)
    assert train(folder, tmp_path / "run", "--rate", 10) == 2
    said = capsys.readouterr().err
    assert "its frames come 29.97 times a second, not 10: leave --rate out" in said
    (folder / "extraction.json").write_text("{")
    assert train(folder, tmp_path / "run") == 2
    assert "extraction.json: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e6"])
def test_a_rate_that_cannot_be_is_one_line(value, tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 5)
    assert train(folder, tmp_path / "run", "--rate", value) == 2
    assert "--rate must be in (0, 1e+06)" in capsys.readouterr().err
    assert train(folder, tmp_path / "run", "--sample-rate", "0") == 2
    assert "--sample-rate must be in [1, 10000], got 0" in capsys.readouterr().err


def test_the_head_says_its_rate_and_older_ones_do_not():
    head = HeadMetadata(LABELS, DIMENSION, {}, "", "", rate_hz=15.0, sample_rate=2)
    assert HeadMetadata.from_json(head.to_json(), "head.onnx") == head
    older = HeadMetadata(LABELS, DIMENSION, {}, "", "")
    assert "rate_hz" not in json.loads(older.to_json())
    assert HeadMetadata.from_json(older.to_json(), "head.onnx").rate_hz is None
    for entry in (
        {"rate_hz": -1.0},
        {"rate_hz": float("nan")},
        {"sample_rate": 0},
        {"rate_hz": "x"},
    ):
        text = json.dumps(json.loads(head.to_json()) | entry)
        with pytest.raises(M2R2Error, match=next(iter(entry))):
            HeadMetadata.from_json(text, "head.onnx")


def test_a_label_is_confirmed_by_frames(tmp_path, capsys, monkeypatch):
    """0.15 s are one frame and a half of 10 Hz, and less than one of 5 Hz, which is said.

    Of a tracker that waits: one that decides by evidence has no such time.
    """
    monkeypatch.setattr(
        "m2r2_ros.training.streaming_method.choose_tracker",
        lambda answers, vocabulary, start, *_: score_tracker(answers, vocabulary, start),
    )
    folder = write_kitchen(tmp_path / "kitchen", 5)
    settings = SETTINGS | {"tracker": {"confirm_s": 0.15}, "optimiser": {"epochs": 1}}
    (tmp_path / "causal.yaml").write_text(yaml.safe_dump(settings))
    assert train(folder, tmp_path / "run", "--rate", 5) == 0
    assert "confirm_s 0.15 is less than the 0.2 s of a frame" in capsys.readouterr().out
    assert run("evaluate", folder, "--model", tmp_path / "run", "--json", tmp_path / "s.json") == 0
    assert "confirm_s 0.15 is less than the 0.2 s of a frame" in capsys.readouterr().err
    assert TrackerConfig().confirm_s > 0.2
