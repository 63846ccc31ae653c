# SPDX-License-Identifier: Apache-2.0
"""The nodes obey a lifecycle manager, and what is wrong with their input they say in one line."""

from __future__ import annotations

import json
import shutil

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from harness import (
    STATIONS,
    Planner,
    Program,
    change_state,
    node_program,
    replay_program,
    spin_until,
    started,
    state,
)
from tiny_models import encoder_metadata, head_metadata, sha256_of, write_encoder, write_head

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.sensing.layout import SensorLayout

ERROR = int.from_bytes(DiagnosticStatus.ERROR, "big")


def test_a_manager_can_stop_and_start_the_chain(node, tmp_path, bag, models):
    planner = Planner(node)
    online = node_program(tmp_path, "online", {"models": models, "autostart": "false"})
    with online, replay_program(tmp_path, bag, "--loop"):
        for name in STATIONS:
            assert state(node, name) == "unconfigured"
            assert change_state(node, name, "configure"), online.output
        for name in reversed(STATIONS):
            assert change_state(node, name, "activate"), online.output
        spin_until(node, lambda: planner.events and planner.frames[10:], "segments")
        for name in STATIONS:
            assert change_state(node, name, "deactivate"), online.output
            assert state(node, name) == "inactive"
        spin_until(node, lambda: planner.events[-1].status == SegmentStatus.ENDED, "the end")
        count = len(planner.frames)
        for name in STATIONS:
            assert change_state(node, name, "cleanup"), online.output
            assert change_state(node, name, "configure"), online.output
        assert len(planner.frames) == count
        for name in reversed(STATIONS):
            assert change_state(node, name, "activate"), online.output
        spin_until(node, lambda: len(planner.frames) > count + 10, "segments again")
        assert online.interrupt() == 0, online.output
    assert "Traceback" not in online.output


def other_cameras(folder):
    encoder = write_encoder(folder / "encoder.onnx", SensorLayout(cameras=("hama1", "handd")))
    write_head(folder / "head.onnx", sha256_of(encoder))


def other_encoder(folder):
    write_encoder(folder / "encoder.onnx", REASSEMBLE_LAYOUT, seed=5)
    write_head(folder / "head.onnx", "0" * 64)


def no_models(folder):
    shutil.rmtree(folder)


def swapped(folder):
    layout = REASSEMBLE_LAYOUT
    head = {"m2r2": json.dumps(head_metadata("0" * 64))}
    write_encoder(folder / "encoder.onnx", layout, metadata=head_metadata("0" * 64))
    write_head(folder / "head.onnx", "0" * 64, metadata=encoder_metadata(layout))
    assert head


BAD = {
    "other cameras": (
        other_cameras,
        {},
        "synchronizer",
        "no topic is configured for 'handd' (did you mean 'hand'?)",
    ),
    "other encoder": (other_encoder, {}, "segmenter", "was trained on another encoder"),
    "no models": (no_models, {}, "synchronizer", "No such file or directory"),
    "swapped": (swapped, {}, "synchronizer", "this is of kind 'head', not 'encoder'"),
    "typo": (
        None,
        {"max_wait": 0.2},
        "synchronizer",
        "unknown parameter 'max_wait' (did you mean 'max_wait_s'?)",
    ),
    "typo in a topic": (
        None,
        {"topics.wrnch": "/w", "topics.hama1": "/a"},
        "synchronizer",
        "no topic is configured for 'wrench' (did you mean 'wrnch'?); topics.wrench: ''",
    ),
    "out of range": (None, {"confirm_s": -1.0}, "segmenter", "confirm_s must be in [0, 60]"),
    "no GPU": (None, {"require_gpu": "true"}, "feature_extractor", "require_gpu is set"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_line_a_diagnostics_error_and_status_2(node, tmp_path, models, case):
    spoil, values, name, message = BAD[case]
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    if spoil:
        spoil(folder)
    planner = Planner(node)
    with node_program(tmp_path, "online", {"models": folder, **values}) as online:
        spin_until(node, lambda: online.ended, "the end")
        assert online.end() == 2
    said = (line for line in online.output.splitlines() if line.strip())
    lines = [line for line in said if not line.startswith("[INFO]")]
    assert len(lines) == 1, online.output
    assert message in lines[0]
    spin_until(node, lambda: planner.level(name) == ERROR, "the diagnostics")
    assert message in planner.statuses[name].message


def test_a_parameter_file_that_is_no_yaml_is_one_line(tmp_path, ros):
    path = tmp_path / "bad.yaml"
    path.write_text("/**:\n  ros__parameters:\n   - [")
    program = Program(tmp_path, "m2r2_ros.nodes.online", "--ros-args", "--params-file", str(path))
    with program:
        assert program.end() == 2
    assert "Traceback" not in program.output
    assert str(path) in program.output


def test_a_bag_without_the_configured_topics_is_named(node, tmp_path, models):
    planner = Planner(node)
    values = {
        "models": models,
        "silence_warning_s": 0.5,
        **{f"topics.{name}": f"/nowhere/{name}" for name in REASSEMBLE_LAYOUT.modalities},
    }
    synchronizer = node_program(tmp_path, "synchronizer", values)
    with started(node, planner, synchronizer, "synchronizer"):
        spin_until(
            node,
            lambda: "no publisher on /nowhere/wrench" in planner.statuses["synchronizer"].message,
            "the warning",
        )
        assert synchronizer.interrupt() == 0
    assert synchronizer.output.count("no publisher on /nowhere/wrench") == 1
