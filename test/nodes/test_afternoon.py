# SPDX-License-Identifier: Apache-2.0
"""docs/tutorials/afternoon.md, run: from a foreign robot's topics to /action_segment.

Each command of the page in small form: shorter runs, fewer takes, seconds of training.
"""

from __future__ import annotations

import json
import shlex
import signal
from functools import partial

import pytest
import yaml
from harness import STATIONS, Planner, Program, check_ids, node_program, spin_until, started
from label_server import LabelServer
from pages import blocks, commands
from source_tree import ROOT
from tiny_models import write_encoder

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.labels_file import labels_path, read_labels
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.learning.study import open_study

torch = pytest.importorskip("torch")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

PAGE = ROOT / "docs" / "tutorials" / "afternoon.md"
COMMANDS = [shlex.split(command) for command in commands(PAGE)]
(VOCABULARY,) = (text for language, text in blocks(PAGE) if language == "yaml")
LABELS = set(yaml.safe_load(VOCABULARY)["labels"])
ROBOT = ("python", "examples/foreign_robot.py")
# Two groups: two folds, and all recordings.
GROUPS = {"take_001": "today", "seed_009": "today", "seed_010": "before", "seed_011": "before"}
TAKES = len(GROUPS)
# Of a label, by the page.
SENT = ("start", "end", "label", "outcome", "source", "confidence")
REASSEMBLES = {"hama1", "hama2", "hand", "audio", "pose", "twist", "gripper"}
# Of the head's training: seconds in place of minutes.
TINY_HEAD = """
model: {channels: 8, layers: 3, dropout: 0.0}
optimiser: {batch_size: 1, learning_rate: 1.0e-2}
"""


def given(*begin: str) -> list[list[str]]:
    """What follows in the page's commands that begin so."""
    return [words[len(begin) :] for words in COMMANDS if words[: len(begin)] == list(begin)]


def small(words: list[str], **options: object) -> list[str]:
    """The words with these options in place of the page's."""
    words = list(words)
    for option, value in ((f"--{name}", str(value)) for name, value in options.items()):
        if option in words:
            words[words.index(option) + 1] = value
        else:
            words += [option, value]
    return words


class Robot(Program):
    """examples/foreign_robot.py."""

    def __init__(self, folder, words, **options):
        super().__init__(folder, "foreign_robot", *small(words, screws=1, **options))
        self.command[1:3] = [str(ROOT / ROBOT[1])]

    def end(self):
        status = super().end()
        assert status == 0, self.output


def test_every_command_of_the_page_leads_to_the_next(node, tmp_path, monkeypatch, short):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vocabulary.yaml").write_text(VOCABULARY)
    led, written, live = given(*ROBOT)
    (doctor,), (record,) = given("m2r2", "doctor"), given("m2r2", "record")
    with Robot(tmp_path, led, runs=1) as robot:
        topics = ("/arm/joint_states", "/bench_cam/image/compressed")
        spin_until(node, lambda: all(map(node.count_publishers, topics)), "the robot")
        assert main(["doctor", *small(doctor, seconds=3)]) == 0
        words = small(record, takes=1)
        with Program(tmp_path, "m2r2_ros.cli.main", "record", *words) as recorder:
            assert recorder.end() == 0, recorder.output
        robot.end()
    with Robot(tmp_path, written, runs=TAKES - 1) as robot:
        robot.end()
    correct_labels(tmp_path / "demonstrations" / "take_001", tmp_path / "cache")
    learn(tmp_path)
    assert set(Models.load(tmp_path / "my_models").head.labels) == LABELS
    check_live(node, tmp_path, live)


def correct_labels(take, cache):
    """At the page: the marks are there, a moment late, and are brought to where it began."""
    marked = read_labels(labels_path(take)).labels
    assert {label.source for label in marked} == {"mark"}
    assert {label.label for label in marked} <= LABELS and len(marked) >= 4
    (words,) = given("m2r2", "label")
    with LabelServer(cache, *words) as server:
        assert server.json("api")[-1] == take.name
        there = server.json(f"api/{TAKES - 1}/labels")
        labels = [{key: each[key] for key in SENT} for each in there["labels"]]
        labels[0]["start"], labels[0]["source"] = 0.01, "human"
        content = {"base": there["revision"], "labels": labels, "cuts": [], "complete": False}
        status, answer = server.ask(f"api/{TAKES - 1}/labels", "PUT", content)
        assert status == 200, answer
    first, *others = read_labels(labels_path(take)).labels
    assert first.start_ns < marked[0].start_ns and first.source == "human"
    assert others == list(marked[1:])


@pytest.fixture
def short(monkeypatch):
    """`m2r2 learn` with a small head, for a few steps."""
    from m2r2_ros.learning import plan
    from m2r2_ros.training import onnx_export
    from m2r2_ros.training.heads.causal import CausalSettings
    from m2r2_ros.training.settings import settings_from_dict

    values = yaml.safe_load(TINY_HEAD)
    read = settings_from_dict(CausalSettings, values, "")
    small = {name: getattr(read, name) for name in values}
    monkeypatch.setattr(plan, "CausalSettings", partial(CausalSettings, **small))
    for name, value in {"_HEAD_EPOCHS": 20, "_MOST_DELAY_S": 0.0}.items():
        monkeypatch.setattr(plan, name, value)
    # What a graph computes is compared with torch elsewhere.
    monkeypatch.setattr(onnx_export, "check_head", lambda *_: 0.0)
    torch.set_num_threads(1)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)


def learn(folder):
    """Of two days, from an encoder of the robot's sensors: test_learn.py also trains one."""
    rows = [f"{take},{group}" for take, group in GROUPS.items()]
    (folder / "demonstrations" / "groups.csv").write_text("\n".join(["recording,group", *rows]))
    (words,) = given("m2r2", "learn")
    layout = open_study(folder / words[0], folder / "robot.yaml", None, None).layout
    assert not REASSEMBLES & set(layout.modalities)
    write_encoder(folder / "known" / "encoder.onnx", layout)
    assert main(["learn", *small(words, workers=1), "--from", "known"]) == 0
    outcome = json.loads((folder / "my_models" / "outcome.json").read_text())
    assert [fold["name"] for fold in outcome["folds"]] == ["before", "today"]
    scored = {one["recording"] for trial in outcome["trials"] for one in trial["recordings"]}
    assert scored == set(GROUPS) and outcome["scores"]["acc"] > 20
    # A fold learns from a single take; the head for the robot from all four.
    (steps,) = folder.glob("my_models/work/*/final/head/metrics.jsonl")
    assert json.loads(steps.read_text().splitlines()[-1])["train/accuracy"] > 0.5


def check_live(node, folder, live):
    """The nodes, and the robot that works beside them."""
    planner = Planner(node)
    (words,) = given("ros2", "launch", "m2r2_ros", "online_segmentation.launch.py")
    config, models = (word.partition(":=")[2] for word in words)
    online = node_program(folder, "online", {"models": models}, "--params-file", config)
    with started(node, planner, online, *STATIONS):
        spin_until(node, lambda: planner.hears_segments, "the segmenter")
        with Robot(folder, live, runs=1) as robot:
            spin_until(node, lambda: robot.ended, "the end of the run")
            robot.end()
        spin_until(node, lambda: planner.events, "a segment")
        online.process.send_signal(signal.SIGINT)
        spin_until(node, lambda: online.ended, "the end of the nodes")
        assert online.end() == 0, online.output
    assert check_ids(planner.events) >= 1
    ended = {event.label for event in planner.events if event.status == SegmentStatus.ENDED}
    assert ended <= {*LABELS, "unknown"} and ended
