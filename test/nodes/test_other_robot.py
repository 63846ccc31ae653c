# SPDX-License-Identifier: Apache-2.0
"""docs/tutorials/other_robot.md, run: arrays of a robot unlike REASSEMBLE's to /action_segment.

Two arms of one HDF5 file go the same way, by the same commands.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from foreign_robots import TWO_ARMED_MAPPING, write_lid_robot, write_two_armed
from harness import STATIONS, Planner, check_ids, node_program, replay_program, spin_until, started
from pages import commands
from source_tree import ROOT
from tiny_encoder import TINY

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.source import open_source
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source

PAGE = ROOT / "docs" / "tutorials" / "other_robot.md"
FILE = re.compile(r"`(\w+\.yaml)`[^`]*?:\n\n```yaml\n(.*?)```", re.S)
FILES = dict(FILE.findall(PAGE.read_text("utf-8")))
COMMANDS = [shlex.split(command) for command in commands(PAGE)]
TINY_HEAD = """
model: {channels: 8, layers: 3, dropout: 0.0}
optimiser: {epochs: 40, batch_size: 1, learning_rate: 1.0e-2}
"""
TRAINING, REASSEMBLES = 5, {"hama1", "hama2", "hand", "audio", "wrench", "pose", "twist", "gripper"}


def run(folder: Path, first: str) -> None:
    """Every command of the page that is not for a second shell; `first` is the bag to look at."""
    (folder / "encoder.yaml").write_text(TINY)
    (folder / "head.yaml").write_text(TINY_HEAD)
    before = Path.cwd()
    os.chdir(folder)
    try:
        for program, verb, *words in COMMANDS:
            if program == "m2r2" and verb != "replay":
                more = ["--config", "head.yaml"] if verb == "train" else []
                given = [word.replace("bags/test/first", first) for word in words]
                assert main([verb, *given, *more]) == 0, shlex.join([verb, *given])
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def lid_robot(tmp_path_factory):
    """The page's robot: its folder after all commands, and the bag of the test recording."""
    pytest.importorskip("torch").set_num_threads(1)
    folder = tmp_path_factory.mktemp("lid_robot")
    for name in ("layout.yaml", "arrays.yaml", "encoder.yaml"):
        (folder / name).write_text(FILES[name])
    names = [f"lid{index}" for index in range(TRAINING)]
    write_lid_robot(folder / "recordings" / "train", names, seed=10)
    write_lid_robot(folder / "recordings" / "test", ["first"], seed=90)
    run(folder, "bags/test/first")
    return folder, folder / "bags" / "test" / "first"


@pytest.fixture(scope="module")
def two_arms(tmp_path_factory):
    """As lid_robot, of config/layouts/two_arms.yaml."""
    pytest.importorskip("torch").set_num_threads(1)
    folder = tmp_path_factory.mktemp("two_arms")
    layout = ROOT / "config" / "layouts" / "two_arms.yaml"
    (folder / "layout.yaml").write_text(layout.read_text())
    (folder / "arrays.yaml").write_text(yaml.safe_dump(TWO_ARMED_MAPPING))
    for file, count, seed in (("train/some.h5", TRAINING, 10), ("test/first.h5", 1, 90)):
        (folder / "recordings" / file).parent.mkdir(parents=True)
        write_two_armed(folder / "recordings" / file, count, seed)
    run(folder, "bags/test/first-0")
    return folder, folder / "bags" / "test" / "first-0"


@pytest.fixture(params=["lid_robot", "two_arms"])
def robot(request):
    return request.getfixturevalue(request.param)


def test_what_is_live_is_what_was_segmented(node, tmp_path, robot):
    folder, bag = robot
    # A busy machine delays messages; what is in a window must not depend on it.
    values = yaml.safe_load((folder / "bags" / "test" / "robot.yaml").read_text())
    values["/**"]["ros__parameters"] |= {"max_wait_s": 3.0, "max_backlog": 1000}
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(values))
    deployment = Deployment.load(tmp_path / "robot.yaml")
    with open_source(bag, deployment.topics) as source:
        expected = segment_source(source, Models.load(folder / "my_models"), deployment).events
    planner = Planner(node)
    given = {"models": folder / "my_models"}
    online = node_program(tmp_path, "online", given, "--params-file", tmp_path / "robot.yaml")
    with started(node, planner, online, *STATIONS):
        spin_until(node, lambda: planner.hears_segments, "the segmenter")
        with replay_program(tmp_path, bag) as replay:
            spin_until(node, lambda: replay.ended, "the end of the recording")
            assert replay.end() == 0, replay.output
        spin_until(node, lambda: planner.frames, "the first windows")
        online.process.send_signal(signal.SIGINT)
        spin_until(node, lambda: online.ended, "the end of the nodes")
        assert online.end() == 0, online.output
        spin_until(node, lambda: len(planner.events) >= len(expected), "all events")
    assert "Traceback" not in online.output
    assert [vars(event) for event in planner.events] == [as_published(e) for e in expected]
    assert check_ids(planner.events) >= 2
    ended = [event.label for event in planner.events if event.status == SegmentStatus.ENDED]
    segments = json.loads((folder / "segments.json").read_text())
    assert [segment["label"] for segment in segments] == ended


def as_published(event):
    """Confidences travel as float32."""
    values = {**vars(event)}
    for name in ("confidence", "boundary_confidence"):
        values[name] = float(np.float32(values[name]))
    return values


def test_its_labels_are_recognised(robot):
    """Signals that say plainly what is done are learned in seconds."""
    folder, _ = robot
    assert json.loads((folder / "scores.json").read_text())["acc"] > 70
    assert (folder / "report.html").stat().st_size > 10_000


def test_nothing_of_reassemble_is_in_the_models(robot):
    folder, _ = robot
    models = Models.load(folder / "my_models")
    layout = models.encoder.layout
    presets = {signal.preset for signal in layout.signals.values()}
    assert not REASSEMBLES & set(layout.modalities)
    assert "tactile" in presets and "joint_effort" in presets
    named = yaml.safe_load((folder / "arrays.yaml").read_text())["labels"].get("names")
    labels = (
        {name for name in named.values() if name} if named else {"rest", "hand over", "screw in"}
    )
    assert set(models.head.labels) == labels


def test_the_page_says_what_it_needs():
    assert set(FILES) == {"layout.yaml", "arrays.yaml", "encoder.yaml"}
    verbs = [words[1] for words in COMMANDS if words[0] == "m2r2"]
    assert {"convert", "pretrain", "export", "extract", "train", "segment", "replay"} <= set(verbs)
