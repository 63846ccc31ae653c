# SPDX-License-Identifier: Apache-2.0
"""Sensors that users declare: from bags to a trained, exported encoder, live as offline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lab_bags import ARMS, HAND, SECONDS, Rig, write_bag, write_robot
from tiny_sentences import write_sentence_encoder

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.messages.reading import reading_of
from m2r2_ros.messages.signals import decode_batch
from m2r2_ros.messages.types import check_type
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.sensing.window import SensorWindow
from m2r2_ros.training import pretraining
from m2r2_ros.training.exported_weights import exported_weights


@pytest.fixture(scope="module", params=[ARMS, HAND], ids=["two arms", "pad and joints"])
def lab(request, tmp_path_factory) -> tuple[Rig, Path]:
    """A folder with bags, layout.yaml, robot.yaml and a trained, exported encoder.onnx."""
    rig, folder = request.param, tmp_path_factory.mktemp("lab")
    (folder / "layout.yaml").write_text(rig.layout)
    write_robot(folder / "robot.yaml", rig)
    settings = {
        "model": {"feature_dimension": 8, "heads": 2},
        "window": {"samples": 8, "padding": 2},
        "optimiser": {"epochs": 2, "batch_size": 8},
        "windows_per_epoch": 8,
        "fusion_layers": 1,
        "augmentation": {"force_n": 0.1, "position_m": 0.1},
        "modality_dropout": 0.3,
        "validation": 0.5,
        "sentence_encoder": str(write_sentence_encoder(folder / "bert")),
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    bags = [str(write_bag(folder / f"bag{seed}", rig, seed)) for seed in range(2)]
    words = ["pretrain", "--encoder", "m2r2", "--data", *bags, "--out", str(folder / "run")]
    words += ["--layout", str(folder / "layout.yaml"), "--robot", str(folder / "robot.yaml")]
    assert main([*words, "--config", str(folder / "settings.yaml")]) == 0
    words = ["export", str(folder / "run"), "--out", str(folder / "models" / "encoder.onnx")]
    assert main(words) == 0
    return rig, folder


def offline(folder: Path, layout: SensorLayout) -> list[SensorWindow]:
    robot = Deployment.load(folder / "robot.yaml")
    with open_source(folder / "bag1", robot.topics) as source:
        return list(windows(source, layout, robot.limits))


def live(folder: Path, layout: SensorLayout, every: int) -> list[SensorWindow]:
    """As the synchronizer does it: each topic's waiting messages as a batch, then a poll."""
    robot = Deployment.load(folder / "robot.yaml")
    builder, windows = WindowBuilder(layout, robot.limits), []
    with open_bag(folder / "bag1") as bag:
        everything = list(bag.messages())
    for start in range(0, len(everything), every):
        for name, topic in robot.topics.served(layout.sensed).items():
            waiting = [m for m in everything[start : start + every] if m.topic == topic]
            if waiting:
                check_type(layout, name, waiting[0].type_name)
                reading = reading_of(layout.signals[name], robot.topics.gripper_joints)
                raw = [message.data for message in waiting]
                builder.add_signal(name, *decode_batch(waiting[0].type_name, raw, reading))
        windows += builder.poll()
    return windows + builder.flush()


def content(windows: list[SensorWindow]) -> list[tuple]:
    return [
        (w.index, w.start_ns, w.end_ns, w.mask, {n: r.tobytes() for n, r in w.signals.items()})
        for w in windows
    ]


def test_the_encoder_says_what_it_was_trained_on(lab):
    rig, folder = lab
    layout = Encoder(folder / "models" / "encoder.onnx").layout
    assert layout == load_layout(folder / "layout.yaml")
    assert layout.cameras == () and set(layout.signals) == set(rig.modalities)
    stored = yaml.safe_load((folder / "run" / "settings.yaml").read_text())
    assert SensorLayout.from_dict(stored["settings"]["layout"]) == layout
    steps = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(steps) == 2 and all(np.isfinite(json.loads(line)["train/loss"]) for line in steps)


@pytest.mark.parametrize("every", [1, 37, 100_000])
def test_live_windows_and_features_are_the_offline_ones(lab, every):
    _, folder = lab
    encoder = Encoder(folder / "models" / "encoder.onnx")
    windows = offline(folder, encoder.layout)
    assert len(windows) == pytest.approx(SECONDS * encoder.layout.window_rate_hz, abs=2)
    assert all(all(window.mask.values()) for window in windows[1:-1])
    played = live(folder, encoder.layout, every)
    assert content(played) == content(windows)
    for one, other in zip(played[:5], windows[:5], strict=True):
        assert encoder(one).tobytes() == encoder(other).tobytes()


def test_every_signal_has_a_token(lab):
    """Each changes the feature, and is without influence where it is masked."""
    _, folder = lab
    encoder = Encoder(folder / "models" / "encoder.onnx")
    window = offline(folder, encoder.layout)[10]
    whole = encoder(window)
    for name in encoder.layout.signals:
        hidden = {**window.mask, name: False}
        masked = SensorWindow(**{**vars(window), "mask": hidden})
        assert np.abs(encoder(masked) - whole).max() > 1e-6
        other = {**window.signals, name: window.signals[name] + 1}
        assert np.abs(encoder(SensorWindow(**{**vars(window), "signals": other})) - whole).max() > 0
        again = SensorWindow(**{**vars(window), "signals": other, "mask": hidden})
        np.testing.assert_array_equal(encoder(again), encoder(masked))


def test_columns_are_where_the_layout_wants_them(lab):
    rig, folder = lab
    if rig is not HAND:
        pytest.skip("a rig of presets")
    layout = load_layout(folder / "layout.yaml")
    with open_source(folder / "bag1", Deployment.load(folder / "robot.yaml").topics) as source:
        batches = list(source.batches(layout))
    rows = {
        name: np.concatenate([batch.signals[name][1] for batch in batches if name in batch.signals])
        for name in layout.signals
    }
    # Efforts are three times the positions; j3, j1, j2 by name, and all four in their own order.
    expected = 3 * rows["arm_joint_position"][:, [3, 1, 2]]
    np.testing.assert_array_equal(rows["joint_effort"], expected)
    assert rows["pad"].shape[1] == 16 and rows["wrench_of_old"].shape[1] == 6
    for window in offline(folder, layout):
        assert len(window.signals["pad"]) <= 8 < len(window.signals["joint_effort"]) <= 45


def test_inspect_shows_every_signal(lab, tmp_path):
    rig, folder = lab
    words = ["inspect", str(folder / "bag0"), "--out", str(tmp_path / "bag0.png")]
    words += ["--config", str(folder / "robot.yaml"), "--layout", str(folder / "layout.yaml")]
    assert main(words) == 0
    found = json.loads((tmp_path / "bag0.json").read_text())
    assert {name for name, stream in found["streams"].items() if stream["present"]} == set(
        rig.modalities
    )
    assert (tmp_path / "bag0.png").stat().st_size > 10_000


def test_a_robot_file_without_the_sensors_is_one_line(lab, capsys):
    _, folder = lab
    words = ["pretrain", "--encoder", "m2r2", "--data", str(folder / "bag0"), str(folder / "bag1")]
    words += ["--out", str(folder / "bad"), "--layout", str(folder / "layout.yaml")]
    assert main([*words, "--config", str(folder / "settings.yaml")]) == 2
    assert "none of the encoder's sensors has a topic" in capsys.readouterr().err


def test_training_begins_with_the_encoder_that_is_named(lab, tmp_path, monkeypatch):
    _, folder = lab
    begun = []
    monkeypatch.setattr(
        pretraining, "train_epochs", lambda _, module, *_a, **_k: begun.append(module.encoder)
    )
    words = ["pretrain", "--encoder", "m2r2", "--data", str(folder / "bag0"), str(folder / "bag1")]
    for option in ("layout", "robot"):
        words += [f"--{option}", str(folder / f"{option}.yaml")]
    words += ["--config", str(folder / "settings.yaml"), "--cache", str(folder / "run" / "cache")]
    graph = folder / "models" / "encoder.onnx"
    for name, more in (("anew", []), ("further", ["--from", str(graph)])):
        main([*words, "--out", str(tmp_path / name), *more])
    weights = exported_weights(graph, load_layout(folder / "layout.yaml"))
    known = torch.from_numpy(weights["fuse.3.bias"])
    anew, further = (encoder.state_dict()["fuse.3.bias"] for encoder in begun)
    assert torch.equal(further, known) and not torch.equal(anew, known)
