# SPDX-License-Identifier: Apache-2.0
"""A head of the user's own labels over real DDS: its messages are those of the offline run."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from harness import (
    STATIONS,
    Planner,
    check_ids,
    node_program,
    replay_program,
    spin_until,
    started,
)
from tiny_models import head_metadata, sha256_of, write_encoder, write_head

from m2r2_ros.cli import main as command
from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.datasets.source import open_source
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source, write_segments
from m2r2_ros.vocabulary import Parts, Vocabulary

VOCABULARY = Vocabulary(
    ("SIL", "コーヒーを注ぐ", "tighten cap", "Hintergrund", "tighten bolt"),
    ("SIL", "Hintergrund"),
    {
        "コーヒーを注ぐ": Parts("注ぐ", "コーヒー"),
        "tighten cap": Parts("tighten", "cap"),
        "tighten bolt": Parts("tighten", "bolt"),
    },
)
# A network that has learned nothing is sure of nothing.
CONFIG = """
/**:
  ros__parameters:
    max_backlog: 1000
    max_wait_s: 1.0
    unknown_below: 0.3
    hysteresis: 0.0
    confirm_s: 0.05
    min_duration_s: 0.1
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "robot.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory, bag, config):
    """Of some heads with random weights the one that says most about the recording."""
    folder = tmp_path_factory.mktemp("models")
    encoder = write_encoder(folder / "encoder.onnx", REASSEMBLE_LAYOUT)
    labels = VOCABULARY.labels
    metadata = head_metadata(sha256_of(encoder), labels)
    metadata["vocabulary"] = VOCABULARY.to_dict()

    def said(seed: int) -> int:
        write_head(folder / "head.onnx", "", labels, metadata=metadata, seed=seed, gain=12.0)
        with open_source(bag) as source:
            run = segment_source(source, Models.load(folder), Deployment.load(config))
        return len({event.label for event in run.events})

    best = max(range(12), key=said)
    assert said(best) > 2, "idle and several actions"
    return folder


def test_messages_say_what_the_vocabulary_says_live_as_offline(node, tmp_path, bag, models, config):
    arguments = ["segment", bag, "--models", models, "--config", config]
    assert command.main([*map(str, arguments), "--json", str(tmp_path / "offline.json")]) == 0
    with open_source(bag) as source:
        start_ns = source.start_ns
        offline = segment_source(source, Models.load(models), Deployment.load(config))

    planner = Planner(node)
    program = node_program(tmp_path, "online", {"models": models}, "--params-file", str(config))
    with started(node, planner, program, *STATIONS):
        with replay_program(tmp_path, bag) as replay:
            spin_until(node, lambda: replay.ended, "the end of the bag")
            assert replay.end() == 0, replay.output
        held_back = 2  # The last windows wait for data that would follow.
        wanted = len(offline.predictions) - held_back
        spin_until(node, lambda: len(planner.frames) >= wanted, "all frames")
        program.process.send_signal(signal.SIGINT)
        spin_until(node, lambda: program.ended, "the end of the nodes")
        assert program.end() == 0, program.output
        spin_until(node, lambda: len(planner.events) >= len(offline.events), "all events")
    assert "Traceback" not in program.output

    assert check_ids(planner.events) > 1
    told = [(e.status, e.label, e.action, e.object, e.class_id) for e in planner.events]
    assert told == [(e.status, e.label, e.action, e.object, e.class_id) for e in offline.events]
    for event in planner.events:
        if event.status == SegmentStatus.ENDED and event.class_id >= 0:
            label = VOCABULARY.labels[event.class_id]
            expected = ("", "") if label in VOCABULARY.idle else VOCABULARY.parts[label]
            assert (event.label, event.action, event.object) == (label, *expected)
    write_segments(tmp_path / "online.json", planner.events, start_ns)
    live, whole = (
        json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in ("online", "offline")
    )
    for segment in [*live, *whole]:
        # Published as float32.
        segment["confidence"] = float(np.float32(segment["confidence"]))
    assert live == whole
