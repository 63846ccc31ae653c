# SPDX-License-Identifier: Apache-2.0
"""The whole chain over real DDS gives what it gives offline, event for event, bit for bit."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import time

import numpy as np
import pytest
from harness import (
    STATIONS,
    Planner,
    Program,
    call,
    node_program,
    replay_program,
    spin_until,
    started,
)
from pages import commands
from source_tree import ROOT
from std_srvs.srv import Trigger

from m2r2_msgs.srv import GetSegments
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.nodes.conversions import event_from_ros

PAGE = ROOT / "docs" / "tutorials" / "first_ten_minutes.md"
# So that a busy machine skips nothing; the equality would rightly fail then.
PATIENT = {"max_backlog": 1000}


@pytest.fixture(scope="module")
def offline(bag, models):
    """Features and events of the recording, without ROS."""
    loaded = Models.load(models)
    pipeline = loaded.pipeline()
    features, events = [], []
    with open_source(bag) as source:
        for window in windows(source, loaded.encoder.layout, reference_camera="hama1"):
            feature, _, new = pipeline.process(window)
            features.append((window.index, window.start_ns, window.end_ns, feature, window.mask))
            events += new
    return features, events + pipeline.close()


def as_published(event):
    """Confidences travel as float32."""
    values = {**vars(event)}
    for name in ("confidence", "boundary_confidence"):
        values[name] = float(np.float32(values[name]))
    return values


def check_against(offline, planner):
    features, events = offline
    assert [f.index for f in planner.features] == [f[0] for f in features]
    for published, (_, start_ns, end_ns, values, mask) in zip(
        planner.features, features, strict=True
    ):
        assert (published.start_ns, published.end_ns) == (start_ns, end_ns)
        assert published.mask == tuple(mask.values())
        assert published.values.tobytes() == values.tobytes()
    assert [vars(event) for event in planner.events] == [as_published(e) for e in events]
    assert len(planner.frames) == len(features)


def check_protocol(events):
    """Ids count up; every STARTED has its ENDED before the next one; no overlap."""
    open_id, next_id, last_end, now = None, 0, None, None
    for event in events:
        has_jumped = now is not None and event.stamp_ns < now
        now = event.stamp_ns
        if event.status == SegmentStatus.STARTED:
            assert open_id is None
            assert event.segment_id == next_id
            assert last_end is None or has_jumped or event.start_ns >= last_end
            open_id, next_id = event.segment_id, next_id + 1
            continue
        assert event.segment_id == open_id
        if event.status == SegmentStatus.ENDED:
            # What a jump back in time ends lies in the future of what follows.
            open_id, last_end = None, None if has_jumped else event.end_ns
    assert open_id is None


def test_composed_chain_equals_offline(node, tmp_path, bag, models, offline):
    """Also when the nodes are not given the processor for a while."""
    planner = Planner(node)
    online = node_program(tmp_path, "online", {"models": models, **PATIENT})
    with started(node, planner, online, *STATIONS):
        with replay_program(tmp_path, bag) as replay:
            spin_until(node, lambda: len(planner.frames) > 10, "the first frames")
            online.process.send_signal(signal.SIGSTOP)
            time.sleep(0.7)
            online.process.send_signal(signal.SIGCONT)
            spin_until(node, lambda: replay.ended, "the end of the bag")
            assert replay.end() == 0, replay.output
        held_back = 2  # The last windows wait for data that would follow.
        spin_until(node, lambda: len(planner.frames) >= len(offline[0]) - held_back, "all frames")
        online.process.send_signal(signal.SIGINT)
        spin_until(node, lambda: online.ended, "the end of the nodes")
        assert online.end() == 0, online.output
        spin_until(node, lambda: len(planner.events) >= len(offline[1]), "all events")
    assert "Traceback" not in online.output
    check_against(offline, planner)
    check_protocol(planner.events)
    assert planner.value("feature_extractor", "skipped") == "0"
    for modality in ("hama1", "hama2", "audio", "wrench", "pose", "twist", "gripper"):
        assert planner.value("synchronizer", f"{modality}.lost") == "0"


def test_the_nodes_start_as_the_page_says(node, tmp_path, models, monkeypatch):
    """Without the `ros2` command, from a parameter file and a models folder of these names."""
    (line,) = (c for c in commands(ROOT / "docs" / "operations.md") if ".nodes.online" in c)
    _, module, *arguments = shlex.split(line)[1:]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_models").symlink_to(models)
    (tmp_path / "my_robot.yaml").write_text("/**: {ros__parameters: {topics.wrench: /w}}")
    online, planner = Program(tmp_path, module, *arguments), Planner(node)
    with started(node, planner, online, *STATIONS):
        assert online.interrupt() == 0, online.output


def test_three_processes_equal_offline(node, tmp_path, bag, models, offline):
    planner = Planner(node)
    values = {"models": models, **PATIENT}
    programs = [node_program(tmp_path, name, values) for name in STATIONS]
    with (
        started(node, planner, programs[2], STATIONS[2]),
        started(node, planner, programs[1], STATIONS[1]),
        started(node, planner, programs[0], STATIONS[0]),
    ):
        with replay_program(tmp_path, bag) as replay:
            spin_until(node, lambda: replay.ended, "the end of the bag")
            assert replay.end() == 0, replay.output
        spin_until(node, lambda: len(planner.frames) >= len(offline[0]) - 2, "all frames")
        for i, program in enumerate(programs):
            # Upstream first; its last windows must have come through before the next one ends.
            program.process.send_signal(signal.SIGINT)
            spin_until(node, lambda p=program: p.ended, "the end of a node")
            assert program.end() == 0, program.output
            if i == 0:
                spin_until(node, lambda: len(planner.frames) == len(offline[0]), "the last ones")
        spin_until(node, lambda: len(planner.events) >= len(offline[1]), "all events")
    check_against(offline, planner)


def words_of(first):
    """The page's command that begins with the words `first`."""
    (line,) = (command for command in commands(PAGE) if command.startswith(first))
    return shlex.split(line)


def test_late_joiner_reset_and_sigterm(node, tmp_path, bag, models):
    """With the commands of the page that leads there."""
    planner = Planner(node)
    example = Program(tmp_path, "planner")
    _, file, *words = words_of("python3 examples/planner.py")
    example.command = [sys.executable, str(ROOT / file), *words]
    _, _, module, *words = words_of("python3 -m")
    online = Program(tmp_path, module, *words, "-p", f"models:={models}")
    _, _, _, *words = words_of("m2r2 replay")
    replay = replay_program(tmp_path, bag, "--loop", *words)
    with started(node, planner, online, *STATIONS), replay:
        spin_until(node, lambda: planner.events and planner.frames[5:], "segments")
        late = Planner(node)
        with example:
            spin_until(node, lambda: late.events, "what the late one gets")
            # The newest message, nothing older, and nothing that the others did not get.
            assert vars(late.events[0]) in [vars(event) for event in planner.events[-2:]]

            open_before = next(e for e in reversed(planner.events))
            answer = call(node, Trigger, "/segmenter/reset")
            assert answer.success
            spin_until(
                node,
                lambda: any(
                    e.status == SegmentStatus.ENDED and e.segment_id >= open_before.segment_id
                    for e in planner.events
                ),
                "the end of the open segment",
            )
            listed = call(node, GetSegments, "/segmenter/get_segments").segments
            ended = [e for e in planner.events if e.status == SegmentStatus.ENDED]
            assert [vars(event_from_ros(m)) for m in listed][: len(ended)] == [
                vars(e) for e in ended
            ]
            # The bag begins again: time jumps back, the state is reset, segments go on.
            spin_until(node, lambda: "time has jumped" in online.output, "the jump")
            count = len(planner.events)
            spin_until(node, lambda: len(planner.events) > count + 3, "segments after it")
            spin_until(node, lambda: example.output.count("ended") > 0, "the planner's view")
        online.process.send_signal(signal.SIGTERM)
        spin_until(node, lambda: online.ended, "the end of the nodes")
        assert online.end() == 0, online.output
    spin_until(node, lambda: planner.events[-1].status == SegmentStatus.ENDED, "the last ENDED")
    check_protocol(planner.events)
    assert "Traceback" not in online.output
    assert re.search(r"^started \w+( [\w ]+)? \(\d\.\d\d\)$", example.output, re.MULTILINE)
    assert re.search(r"^ended \w+ [\w ]+ after \d+\.\d s$", example.output, re.MULTILINE)
