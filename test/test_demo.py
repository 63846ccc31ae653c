# SPDX-License-Identifier: Apache-2.0
"""The demonstration from the .h5 to the results, over real DDS, as `make demo` runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from recordings import recording
from tiny_models import write_models

from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.offline.deployment import Deployment

pytestmark = pytest.mark.ros
pytest.importorskip("rclpy")

DURATION_S = 6.0
CONFIG = Path(__file__).parents[1] / "config" / "reassemble.yaml"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> list[str]:
    """A short recording and tiny models of random weights."""
    folder = tmp_path_factory.mktemp("inputs")
    path = folder / "2025-01-10-12-00-00.h5"
    write_recording(path, recording(DURATION_S))
    models = write_models(folder / "models", REASSEMBLE_LAYOUT)
    return ["--recording", str(path), "--models", str(models), "--config", str(CONFIG)]


def start(inputs: list[str], out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-u", "-m", "m2r2_ros.cli.main", "demo", *inputs, "--out", str(out)]
    return subprocess.Popen(
        [*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def programs_that_name(folder: Path) -> list[str]:
    """Command lines of running processes that mention `folder`."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and int(path.parent.name) != os.getpid():
            lines.append(line)
    return lines


def test_published_segments_are_scored_drawn_and_equal_the_offline_ones(inputs, tmp_path):
    demo = start(inputs, tmp_path, "--rate", "2")
    output, errors = demo.communicate(timeout=240)
    assert demo.returncode == 0, errors
    assert "events as `m2r2 segment` gives" in output
    assert "NOT the events" not in output
    with open_bag(tmp_path / "2025-01-10-12-00-00") as bag:
        topics = Deployment.load(CONFIG).topics.topics
        wanted = [topics[name] for name in REASSEMBLE_LAYOUT.modalities]
        sent = sum(1 for _ in bag.messages(wanted))
    assert f"\n{sent} of {sent} sensor messages received" in output

    segments = json.loads((tmp_path / "segments.json").read_text())
    assert [segment["segment_id"] for segment in segments] == list(range(len(segments)))
    assert segments[0]["start"] == pytest.approx(0, abs=0.2)
    assert segments[-1]["end"] == pytest.approx(DURATION_S, abs=0.2)
    for earlier, later in pairwise(segments):
        assert earlier["end"] <= later["start"]
    for segment in segments:
        if segment["action"]:
            what = f"{segment['action']} {segment['object']}".lower()
            assert f"started {what} (" in output
            assert f"ended {what} after {segment['end'] - segment['start']:.1f} s" in output

    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics) == {"coarse", "fine"}
    for scores in metrics.values():
        assert {"f1@50", "dr", "dr_truth", "held_acc", "recognised", "delay_s"} <= set(scores)
        assert all(0 <= value <= 100 for value in scores.values() if value is not None)
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert not programs_that_name(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_program_and_no_result(inputs, tmp_path, number):
    demo = start(inputs, tmp_path, "--rate", "0.1")
    assert demo.stdout.readline().startswith("playing")
    deadline = time.monotonic() + 120
    while "replayer" not in " ".join(programs_that_name(tmp_path)):
        assert demo.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    demo.send_signal(number)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 128 + number
    assert "Traceback" not in errors
    assert not programs_that_name(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".json", ".png")]


def test_nodes_that_cannot_start_are_one_clear_line(inputs, tmp_path):
    """Only the nodes ask for a GPU; no machine of these tests has one."""
    config = tmp_path / "gpu.yaml"
    config.write_text(CONFIG.read_text().replace("topics:", "require_gpu: true\n    topics:"))
    demo = start([*inputs, "--config", str(config)], tmp_path / "out")
    _, errors = demo.communicate(timeout=120)
    assert demo.returncode == 2
    line = errors.splitlines()[-1]
    assert line.startswith("m2r2 demo: the online nodes failed: ")
    assert "require_gpu" in line


def test_a_misspelled_parameter_is_named_before_anything_starts(inputs, tmp_path):
    config = tmp_path / "typo.yaml"
    config.write_text(CONFIG.read_text().replace("topics:", "silence_warning: 3.0\n    topics:"))
    demo = start([*inputs, "--config", str(config)], tmp_path / "out")
    output, errors = demo.communicate(timeout=120)
    assert demo.returncode == 2 and "playing" not in output
    line = errors.splitlines()[-1]
    assert line.startswith(f"m2r2 demo: {config}: unknown parameter 'silence_warning'")
    assert "did you mean 'silence_warning_s'" in line


def test_a_recording_without_labels_is_one_clear_line(inputs, tmp_path):
    data = recording(2.0)
    data.actions.clear()
    path = tmp_path / "unlabelled.h5"
    write_recording(path, data)
    demo = start([*inputs, "--recording", str(path)], tmp_path / "out")
    _, errors = demo.communicate(timeout=120)
    assert demo.returncode == 2
    assert errors.splitlines()[-1].endswith("unlabelled: has no labels to compare with")
