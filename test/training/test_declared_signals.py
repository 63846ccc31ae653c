# SPDX-License-Identifier: Apache-2.0
"""Sensors that users declare: from bags to a trained, exported encoder, live as offline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from tiny_sentences import write_sentence_encoder

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.annotations import actions_to_json
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.topics import ANNOTATIONS_TOPIC
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.messages.encode import TEXT, encode_joints, encode_text, encode_vectors
from m2r2_ros.messages.reading import reading_of
from m2r2_ros.messages.signals import decode_batch
from m2r2_ros.messages.types import check_type
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.sensing.window import SensorWindow
from m2r2_ros.signal_presets import JOINTS, POSE, TWIST

EPOCH, SECOND, SECONDS = 1_700_000_000 * 10**9, 10**9, 5
PAD = "lab_msgs/msg/Float32ArrayStamped"
STORE = get_typestore(Stores.ROS2_HUMBLE)
STORE.register(get_types_from_msg("std_msgs/Header header\nfloat32[] data", PAD))
ACTIONS = ("Pick cup.", "No action.", "Tighten cap.", "No action.", "Pick cup.")

TWO_ARMS = """
window_rate_hz: 10.0
signals: [left_pose, left_twist, left_gripper, right_pose, right_twist, right_gripper]
"""
PAD_AND_JOINTS = """
signals:
  pad: {width: 16, preset: tactile, unit: kPa, range: [0, 400], rate_hz: 50}
  joint_effort: {width: 3, columns: [j3, j1, j2]}
  arm_joint_position: {width: 4}
  wrench_of_old: {width: 6, preset: none}
"""


@dataclass(frozen=True)
class Rig:
    """What is published: topic -> message type, its rate, its columns; and what each is for."""

    layout: str
    topics: dict[str, tuple[str, float, int]]
    modalities: dict[str, str]


ARMS = Rig(
    TWO_ARMS,
    {
        f"/{arm}/{name}": kind
        for arm in ("left", "right")
        for name, kind in {
            "pose": (POSE, 100.0, 7),
            "twist": (TWIST, 250.0, 6),
            "gripper": (JOINTS, 30.0, 2),
        }.items()
    },
    {f"{a}_{n}": f"/{a}/{n}" for a in ("left", "right") for n in ("pose", "twist", "gripper")},
)
HAND = Rig(
    PAD_AND_JOINTS,
    {"/pad": (PAD, 60.0, 16), "/joint_states": (JOINTS, 200.0, 4), "/six": (JOINTS, 90.0, 6)},
    {
        "pad": "/pad",
        # Two signals of one topic.
        "joint_effort": "/joint_states",
        "arm_joint_position": "/joint_states",
        "wrench_of_old": "/six",
    },
)


def messages(kind: str, stamps: np.ndarray, values: np.ndarray) -> Iterator[bytes]:
    if kind == PAD:
        types = STORE.types
        for stamp, row in zip(stamps.tolist(), values, strict=True):
            time = types["builtin_interfaces/msg/Time"](*divmod(stamp, SECOND))
            header = types["std_msgs/msg/Header"](time, "pad")
            message = types[PAD](header, row.astype(np.float32))
            yield bytes(STORE.serialize_cdr(message, PAD))
    elif kind == JOINTS:
        names = [f"j{index}" for index in range(values.shape[1])]
        yield from encode_joints(stamps, names, values, 2 * values, 3 * values)
    else:
        yield from encode_vectors(kind, stamps, values, "base")


def write_bag(path: Path, rig: Rig, seed: int) -> Path:
    random = np.random.default_rng(seed)
    sent = [(EPOCH, ANNOTATIONS_TOPIC, encode_text(actions_to_json(labels(), EPOCH)))]
    for topic, (kind, rate, columns) in rig.topics.items():
        count = int(SECONDS * rate)
        stamps = EPOCH + np.round(np.arange(count) * SECOND / rate).astype(np.int64)
        stamps += random.integers(0, 1_000_000, count)
        # Fingers are decimetres apart: a gripper of more than a metre is a fault.
        values = random.uniform(0.1, 0.2, (count, columns))
        values *= 1 + (np.arange(count) * len(ACTIONS) // count)[:, None] % 2
        if kind == POSE:
            values[:, 3:] /= np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
        made = messages(kind, stamps, values)
        sent += zip(stamps.tolist(), [topic] * count, made, strict=True)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = {ANNOTATIONS_TOPIC: TEXT} | {t: kind for t, (kind, *_) in rig.topics.items()}
        connections = {
            t: writer.add_connection(t, kind, typestore=STORE) for t, kind in kinds.items()
        }
        for stamp, topic, message in sorted(sent, key=lambda each: each[0]):
            writer.write(connections[topic], stamp, message)
    return path


def labels() -> list[Action]:
    length = SECONDS / len(ACTIONS)
    return [Action(i * length, (i + 1) * length, text, True, ()) for i, text in enumerate(ACTIONS)]


@pytest.fixture(scope="module", params=[ARMS, HAND], ids=["two arms", "pad and joints"])
def lab(request, tmp_path_factory) -> tuple[Rig, Path]:
    """A folder with bags, layout.yaml, robot.yaml and a trained, exported encoder.onnx."""
    rig, folder = request.param, tmp_path_factory.mktemp("lab")
    (folder / "layout.yaml").write_text(rig.layout)
    parameters = {"topics": rig.modalities, "gripper_joints": []}
    robot = {"/**": {"ros__parameters": parameters}}
    (folder / "robot.yaml").write_text(yaml.safe_dump(robot))
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
        for name, topic in robot.topics.served(layout.modalities).items():
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
