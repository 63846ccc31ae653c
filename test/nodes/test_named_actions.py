# SPDX-License-Identifier: Apache-2.0
"""Actions named in the nodes' parameter file, recognised by a RoboAct encoder over real DDS."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from harness import STATIONS, Planner, node_program, replay_program, spin_until, started

from m2r2_ros.cli import main as command
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.models import Models
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source, write_segments

# The first are in the folder's table of sentences, the others its text encoder has to embed.
KNOWN = ("Pick usb", "Pick bnc", "Insert usb", "Insert bnc")
NEW = tuple(
    f"Robot {verb} the {name}."
    for verb in ("place", "remove", "pick", "insert")
    for name in ("gear", "usb", "bnc")
)
# A network that has learned nothing is sure of nothing.
CONFIG = """
/**:
  ros__parameters:
    actions: ACTIONS
    max_backlog: 1000
    max_wait_s: 1.0
    unknown_below: 0.0
    hysteresis: 0.0
    confirm_s: 0.1
    min_duration_s: 0.1
"""


@pytest.fixture(scope="module")
def actions(bag, roboact) -> list[str]:
    """One of KNOWN and one of NEW of which now this, now that is nearer to the recording."""
    models = Models.load(roboact.folder, actions=[*KNOWN, *NEW])
    with open_source(bag) as source:
        features = [models.encoder(window) for window in windows(source, models.encoder.layout)]
    scores = np.log(models.head.run(np.stack(features))[0])
    wins = (scores[:, : len(KNOWN), None] > scores[:, None, len(KNOWN) :]).mean(0)
    known, new = np.unravel_index(np.minimum(wins, 1 - wins).argmax(), wins.shape)
    return [KNOWN[known], NEW[new]]


@pytest.fixture(scope="module")
def config(actions, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "robot.yaml"
    path.write_text(CONFIG.replace("ACTIONS", json.dumps(actions)))
    return path


def test_nodes_segment_named_actions_as_offline(node, tmp_path, bag, roboact, actions, config):
    arguments = ["segment", bag, "--models", roboact.folder, "--config", config]
    assert command.main([*map(str, arguments), "--json", str(tmp_path / "offline.json")]) == 0
    expected = json.loads((tmp_path / "offline.json").read_text())
    deployment = Deployment.load(config)
    with open_source(bag) as source:
        start_ns = source.start_ns
        offline = segment_source(source, Models.load(roboact.folder, actions=actions), deployment)
    assert len({segment["label"] for segment in expected}) > 1, "a change to be seen"

    planner = Planner(node)
    program = node_program(
        tmp_path, "online", {"models": roboact.folder}, "--params-file", str(config)
    )
    with started(node, planner, program, *STATIONS):
        with replay_program(tmp_path, bag) as replay:
            spin_until(node, lambda: replay.ended, "the end of the bag")
            assert replay.end() == 0, replay.output
        held_back = 2  # The last windows wait for data that would follow.
        wanted = len(offline.predictions)
        spin_until(node, lambda: len(planner.frames) >= wanted - held_back, "all frames")
        program.process.send_signal(signal.SIGINT)
        spin_until(node, lambda: program.ended, "the end of the nodes")
        assert program.end() == 0, program.output
        spin_until(node, lambda: len(planner.events) >= len(offline.events), "all events")
    assert "Traceback" not in program.output

    found = np.stack([frame.probabilities for frame in planner.frames])
    same = np.array_equal(found, np.stack([p.probabilities for p in offline.predictions]))
    assert same, "every frame's posterior, bit for bit"
    write_segments(tmp_path / "online.json", planner.events, start_ns)
    published = json.loads((tmp_path / "online.json").read_text())
    for segment in [*published, *expected]:
        # Published as float32.
        segment["confidence"] = float(np.float32(segment["confidence"]))
    same = published == expected
    assert same


def test_actions_for_another_encoder_are_refused_in_one_line(node, tmp_path, models, config):
    planner = Planner(node)
    with node_program(
        tmp_path, "segmenter", {"models": models}, "--params-file", str(config)
    ) as program:
        refused = "actions can be named for a RoboAct encoder only"
        spin_until(node, lambda: program.ended or refused in program.output, "the refusal")
        assert refused in program.output and "Traceback" not in program.output
    assert planner.frames == []
