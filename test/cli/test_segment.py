# SPDX-License-Identifier: Apache-2.0
"""`m2r2 segment`: a recording in, a segments file out."""

from __future__ import annotations

import json
import math
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from recordings import recording
from rosbags.rosbag2 import Reader
from tiny_models import LABELS, write_encoder, write_models

from m2r2_ros.cli import main as command
from m2r2_ros.cli.convert import convert
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout(cameras=("hama1",))
DURATION_S = 8.0
SPEED = re.compile(r"([\d.]+) s in ([\d.]+) s, ([\d.]+) times real time")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `demo.h5` and `models`."""
    folder = tmp_path_factory.mktemp("segment")
    write_recording(folder / "demo.h5", recording(DURATION_S, cameras=("hama1",)))
    write_models(folder / "models", LAYOUT)
    return folder


def segment(recording: Path, models: Path, json_file: Path, *more: object) -> int:
    arguments = [recording, "--models", models, "--json", json_file, *more]
    return command.main(["segment", *map(str, arguments)])


def test_writes_the_segments_that_the_pipeline_publishes(place: Path, tmp_path: Path) -> None:
    assert segment(place / "demo.h5", place / "models", tmp_path / "segments.json") == 0
    written = json.loads((tmp_path / "segments.json").read_text())

    models = Models.load(place / "models")
    pipeline, events = models.pipeline(), []
    with open_source(place / "demo.h5") as source:
        origin_ns = source.start_ns
        for window in windows(source, LAYOUT):
            events += pipeline.process(window)[2]
    events += pipeline.close()
    ended = [event for event in events if event.status is SegmentStatus.ENDED]
    assert [tuple(entry) for entry in written] == [
        ("segment_id", "label", "action", "object", "start", "end", "confidence")
    ] * len(ended)
    assert [tuple(entry.values()) for entry in written] == [
        (
            event.segment_id,
            event.label,
            event.action,
            event.object,
            pytest.approx((event.start_ns - origin_ns) / 1e9, abs=1e-9),
            pytest.approx((event.end_ns - origin_ns) / 1e9, abs=1e-9),
            event.confidence,
        )
        for event in ended
    ]


def test_segments_tile_the_recording(place: Path, tmp_path: Path, capsys) -> None:
    segment(place / "demo.h5", place / "models", tmp_path / "segments.json")
    written = json.loads((tmp_path / "segments.json").read_text())
    assert len(written) >= 2
    assert {entry["label"] for entry in written} <= {*LABELS, "unknown"}
    assert all(first["end"] == second["start"] for first, second in pairwise(written))
    assert 0 <= written[0]["start"] < 0.5  # Until a first label has won long enough.
    assert written[-1]["end"] == pytest.approx(DURATION_S, abs=0.15)
    report = capsys.readouterr().out
    assert f"{len(written)} segments in" in report
    recorded_s, took_s, times = map(float, SPEED.search(report).groups())
    # Of printed figures, each right to its last place.
    least, most = recorded_s / (took_s + 0.06), recorded_s / max(took_s - 0.06, 1e-3)
    assert recorded_s > 1 and least - 0.1 <= times <= most + 0.1


def test_a_bag_gives_the_events_of_the_recording_that_it_was_made_from(
    place: Path, tmp_path: Path
) -> None:
    bag = convert(place / "demo.h5", tmp_path)
    runs = []
    for path in (place / "demo.h5", bag):
        with open_source(path) as source:
            runs.append(segment_source(source, Models.load(place / "models"), Deployment()))
    assert runs[0].events == runs[1].events
    assert len(runs[0].events) > 4


def test_draws_a_timeline(place: Path, tmp_path: Path) -> None:
    plot = tmp_path / "timeline.png"
    models = place / "models"
    assert segment(place / "demo.h5", models, tmp_path / "s.json", "--plot", plot) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_bag_of_results_has_what_the_nodes_would_have_published(place, tmp_path):
    """Read back by rosbags; the log times are those of the frames, strictly increasing."""
    file = tmp_path / "results.mcap"
    arguments = place / "demo.h5", place / "models", tmp_path / "s.json"
    assert segment(*arguments, "--bag", file) == 0
    models = Models.load(place / "models")
    with open_source(place / "demo.h5") as source:
        run = segment_source(source, models)
    store, told = typestore(), []
    with Reader(file) as reader:
        kept = {c.topic: c.ext.offered_qos_profiles[0].durability.name for c in reader.connections}
        for connection, log_ns, data in reader.messages():
            told.append((log_ns, connection, store.deserialize_cdr(data, connection.msgtype)))
    assert kept == {"/action_segment": "TRANSIENT_LOCAL", "/m2r2/frame_prediction": "VOLATILE"}
    assert all(a[0] < b[0] for a, b in pairwise(told))
    assert len(told) == len(run.events) + len(run.predictions)
    frames = [m for _, connection, m in told if connection.topic == "/m2r2/frame_prediction"]
    for frame, want in zip(frames, run.predictions, strict=True):
        assert frame.index == want.index and stamp_of(frame) == want.stamp_ns
        assert np.array_equal(frame.probabilities, want.probabilities)
        assert frame.label == models.head.labels[want.probabilities.argmax()]
    events = [m for _, connection, m in told if connection.topic == "/action_segment"]
    for event, want in zip(events, run.events, strict=True):
        assert (event.segment_id, event.status, event.label) == (
            want.segment_id,
            want.status,
            want.label,
        )
        assert stamp_of(event) == want.stamp_ns and math.isnan(event.progress)
        # Nothing is told before the frame that causes it.
    late = [log_ns - stamp_of(message) for log_ns, _, message in told]
    assert min(late) >= 0 and max(late) < 10


def stamp_of(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_the_nodes_parameter_file_sets_the_tracker(place: Path, tmp_path: Path) -> None:
    config = tmp_path / "robot.yaml"
    config.write_text("/**:\n  ros__parameters:\n    confirm_s: 0\n    min_duration_s: 3\n")
    segment(place / "demo.h5", place / "models", tmp_path / "s.json", "--config", config)
    written = json.loads((tmp_path / "s.json").read_text())
    lengths = [entry["end"] - entry["start"] for entry in written]
    assert len(lengths) >= 2
    assert all(length >= 3 - 1e-9 for length in lengths[:-1])


def test_a_parameter_that_the_heads_tracker_does_not_read_is_named(
    place: Path, tmp_path: Path, capsys
) -> None:
    config = write_text(
        tmp_path / "c.yaml", "/**: {ros__parameters: {commit_level: 0.9, confirm_s: 0.2}}"
    )
    assert segment(place / "demo.h5", place / "models", tmp_path / "s", "--config", config) == 0
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "no effect" in line)
    assert "commit_level" in line and "decides by waiting (" in line
    assert "confirm_s:" not in line


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def truncated(place: Path, path: Path) -> Path:
    content = (place / "demo.h5").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def models_of(layout: SensorLayout, folder: Path) -> Path:
    return write_models(folder, layout)


def headless(place: Path, folder: Path) -> Path:
    shutil.copytree(place / "models", folder)
    (folder / "head.onnx").unlink()
    return folder


def mixed(place: Path, folder: Path) -> Path:
    shutil.copytree(place / "models", folder)
    write_encoder(folder / "encoder.onnx", LAYOUT, seed=5)
    return folder


BAD_INPUT = {
    "no recording": ({"recording": lambda p, t: t / "none.h5"}, "none.h5"),
    "truncated": ({"recording": lambda p, t: truncated(p, t / "cut.h5")}, "cut.h5"),
    "text": ({"recording": lambda p, t: write_text(t / "notes.txt", "hello")}, "notes.txt"),
    "text in h5": ({"recording": lambda p, t: write_text(t / "x.h5", "hello")}, "x.h5"),
    "empty folder": ({"recording": lambda p, t: t}, "bag"),
    "no models": ({"models": lambda p, t: t / "none"}, "no such models folder"),
    "no head": ({"models": lambda p, t: headless(p, t / "m")}, "has no head.onnx"),
    "mixed models": ({"models": lambda p, t: mixed(p, t / "m")}, "trained on another encoder"),
    "another reference camera": (
        {
            "models": lambda p, t: models_of(SensorLayout(cameras=("hama1",)), t / "m"),
            "config": lambda p, t: write_text(
                t / "c.yaml", "/**: {ros__parameters: {reference_camera: hama2}}"
            ),
        },
        "reference_camera 'hama2' is none of the encoder's cameras: hama1",
    ),
    "no config": ({"config": lambda p, t: t / "none.yaml"}, "none.yaml"),
    "not YAML": ({"config": lambda p, t: write_text(t / "c.yaml", "{:")}, "c.yaml: not YAML"),
    "tracker typo": (
        {"config": lambda p, t: write_text(t / "c.yaml", "/**: {ros__parameters: {confirm: 1}}")},
        "c.yaml: unknown parameter 'confirm' (did you mean 'confirm_s'?)",
    ),
    "tracker value": (
        {
            "config": lambda p, t: write_text(
                t / "c.yaml", "/**: {ros__parameters: {unknown_below: 7}}"
            )
        },
        "c.yaml: parameter unknown_below must be in [0, 1], got 7",
    ),
}


@pytest.mark.parametrize(("changes", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_line(changes, message: str, place: Path, tmp_path: Path, capsys) -> None:
    arguments = {"recording": place / "demo.h5", "models": place / "models"}
    arguments |= {name: make(place, tmp_path) for name, make in changes.items()}
    more = ["--config", arguments["config"]] if "config" in arguments else []
    target = tmp_path / "out" / "segments.json"
    assert segment(arguments["recording"], arguments["models"], target, *more) == 2
    complaint = capsys.readouterr().err
    assert message in complaint
    assert complaint.startswith("m2r2 segment: ")
    assert complaint.count("\n") == 1
    assert not target.parent.exists() or not any(target.parent.iterdir())


def test_a_camera_of_the_encoder_that_has_no_topic_is_masked_and_said(
    place: Path, tmp_path: Path, capsys
) -> None:
    models = models_of(SensorLayout(cameras=("front",)), tmp_path / "m")
    assert segment(place / "demo.h5", models, tmp_path / "s.json") == 0
    assert "'front' has no topic: the robot is taken to lack it" in capsys.readouterr().err


def test_a_folder_gives_the_segments_of_each_and_goes_on(place: Path, tmp_path: Path, capsys):
    data, out = tmp_path / "data", tmp_path / "segments"
    data.mkdir()
    for name, duration_s in (("a", 3.0), ("b", 4.0)):
        write_recording(data / f"{name}.h5", recording(duration_s, name, cameras=("hama1",)))
    (data / "bad.h5").write_bytes(b"no recording")
    (tmp_path / "a.json").touch()
    assert segment(data, place / "models", tmp_path / "a.json") == 2
    assert "a.json is a file: of several recordings it names a folder" in capsys.readouterr().err
    assert segment(data, place / "models", out) == 2
    said = capsys.readouterr().err
    assert "bad: " in said and "1 of 3 recordings could not be segmented" in said
    (data / "bad.h5").unlink()
    first = (out / "a.json").stat()
    write_recording(data / "b.h5", recording(5.0, "b", cameras=("hama1",)))
    assert segment(data, place / "models", out) == 0
    assert "2 recordings, 1 were there already" in capsys.readouterr().out
    assert (out / "a.json").stat() == first
    for name in ("a", "b"):
        assert segment(data / f"{name}.h5", place / "models", tmp_path / f"{name}.json") == 0
        assert (out / f"{name}.json").read_bytes() == (tmp_path / f"{name}.json").read_bytes()
    assert not list(out.glob(".*"))
    write_models(tmp_path / "others", SensorLayout(cameras=("hama1",), signals=("wrench",)))
    capsys.readouterr()
    assert segment(data, tmp_path / "others", out) == 2
    assert "was made with other settings (models_sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--plot", "a.png"), "--plot and --bag are of one recording"),
        (("--workers", "0"), "--workers must be at least 1"),
        (("--workers", "2", "--ray", "local"), "--workers is for this machine"),
    ],
)
def test_what_does_not_go_with_a_folder_is_one_line(place, tmp_path, capsys, more, message):
    assert segment(place, place / "models", tmp_path / "out", *more) == 2
    complaint = capsys.readouterr().err
    assert message in complaint and complaint.count("\n") == 1
