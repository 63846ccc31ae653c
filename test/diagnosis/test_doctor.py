# SPDX-License-Identifier: Apache-2.0
"""`m2r2 doctor` on bags: what it writes is what nodes and commands take."""

import json
import random
from dataclasses import replace

import lab_bags
import numpy as np
import pytest
import raw_bags
import ros_messages as ros
import transform_bags
import yaml
from recordings import recording
from tiny_models import write_models

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.bag_streams import bag_content
from m2r2_ros.datasets.bag_writer import write_bag
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS, REASSEMBLE_LAYOUT
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.diagnosis.bag_survey import survey_bag
from m2r2_ros.diagnosis.found_layout import found_layout
from m2r2_ros.inspection.inspection import layout_of
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.offline.deployment import Deployment

GRIPPER = {"topic": DEFAULT_TOPICS["gripper"]}


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bag")
    write_recording(folder / "a.h5", recording(2.0))
    with open_recording(folder / "a.h5") as opened:
        write_bag(bag_content(opened), folder / "a")
    return folder / "a"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"), REASSEMBLE_LAYOUT)


def doctor(folder, *arguments):
    """Exit status, and the report."""
    report = folder / "doctor.json"
    status = main(["doctor", *map(str, arguments), "--json", str(report)])
    return status, json.loads(report.read_text()) if report.exists() else None


def test_the_written_file_gives_the_segments_of_the_right_one(bag, models, tmp_path, capsys):
    robot = tmp_path / "robot.yaml"
    status, report = doctor(tmp_path, bag, "--models", models, "--write", robot)
    assert status == 0 and report["can_run"]
    topics = {name: sensor["topic"] for name, sensor in report["sensors"].items()}
    assert topics == {name: DEFAULT_TOPICS[name] for name in REASSEMBLE_LAYOUT.sensed}
    for name, more in (("default", []), ("written", ["--config", robot])):
        out = ["--models", models, "--json", tmp_path / f"{name}.json", *more]
        assert main(["segment", *map(str, [bag, *out])]) == 0
    assert (tmp_path / "written.json").read_text() == (tmp_path / "default.json").read_text()
    assert doctor(tmp_path, bag, "--models", models, "--config", robot)[0] == 0


@pytest.mark.parametrize("rig", [lab_bags.ARMS, lab_bags.WORKCELL, lab_bags.HAND])
def test_other_robots_windows_have_all_that_was_written(rig, tmp_path):
    lab_bags.write_bag(tmp_path / "bag", rig, 0)
    check_written(tmp_path)


def test_a_pose_of_tf_is_written_and_read(tmp_path):
    transform_bags.write_bag(tmp_path / "bag")
    assert "pose" in check_written(tmp_path).sensed


def check_written(folder):
    """No sensor of the written file is masked amid the recording; the file says the layout, too."""
    robot = folder / "robot.yaml"
    assert doctor(folder, folder / "bag", "--write", robot)[0] == 0
    topics = Deployment.load(robot).topics
    with open_bag(folder / "bag") as bag:
        layout = found_layout(survey_bag(bag, 1.0)).only(topics.topics)
    told = layout_of(topics)
    assert set(told.modalities) == set(layout.modalities)
    assert all(told.signals[n].width == layout.signals[n].width for n in layout.signals)
    with open_source(folder / "bag", topics) as source:
        made = list(windows(source, layout))
    assert all(made[len(made) // 2].mask.values())
    return layout


def test_what_a_file_states_wrongly_is_said(bag, tmp_path, capsys):
    robot = tmp_path / "robot.yaml"
    entries = {
        "topics": {"hama1": "/hama1/image_raw/compresed", "wrench": "/wrist/wrench"},
        "signals": {
            "wrench": {"frame": "elsewhere"},
            "twist": {"topic": "/end_effector/pose", "type": "geometry_msgs/msg/TwistStamped"},
            "gripper": {"fields": ["position[finger]"], "unit": "m", **GRIPPER},
        },
    }
    robot.write_text(yaml.safe_dump({"/**": {"ros__parameters": entries}}))
    status, report = doctor(tmp_path, bag, "--config", robot)
    said = "\n".join(remark["text"] for remark in report["remarks"])
    assert status == 0
    assert "did you mean '/hama1/image_raw/compressed'" in said
    assert "reference_camera 'hama1' gives no frames" in said
    assert "'wrench' is in frame" in said and "not in 'elsewhere'" in said
    assert "'twist' is masked: is geometry_msgs/msg/PoseStamped" in said
    assert "/end_effector/twist could serve it" in said
    assert "'gripper' is masked: position has no 'finger'" in said


def test_where_the_chain_cannot_run_the_status_is_one(bag, tmp_path, capsys):
    robot = tmp_path / "robot.yaml"
    robot.write_text("/**: {ros__parameters: {topics: {wrench: /nothing}}}")
    status, report = doctor(tmp_path, bag, "--config", robot)
    assert status == 1 and not report["can_run"]
    status, report = doctor(tmp_path, bag, "--models", tmp_path / "absent")
    assert status == 1 and any("no such models folder" in r["text"] for r in report["remarks"])


@pytest.mark.parametrize("arguments", [["/nothing"], ["--seconds", "nan"], ["--config", "/none"]])
def test_bad_input_is_one_line(arguments, capsys):
    assert main(["doctor", *arguments]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_bag_of_nothing_that_serves_writes_no_file(tmp_path, capsys):
    lab_bags.write_bag(tmp_path / "bag", replace(lab_bags.HAND, topics={}), 0)
    status, _ = doctor(tmp_path, tmp_path / "bag")
    assert status == 1
    assert main(["doctor", str(tmp_path / "bag"), "--write", str(tmp_path / "r.yaml")]) == 2
    assert not (tmp_path / "r.yaml").exists()


@pytest.mark.parametrize("seed", range(6))
def test_damaged_messages_are_no_traceback(tmp_path, seed, capsys):
    """A bag with a share of its messages cut off, or overwritten by chance."""
    chance = random.Random(seed)
    rig = chance.choice([lab_bags.ARMS, lab_bags.WORKCELL, lab_bags.HAND])
    whole = lab_bags.write_bag(tmp_path / "whole", rig, seed)
    files = list(whole.glob("*.mcap"))
    data = bytearray(files[0].read_bytes())
    random_bytes = np.random.default_rng(seed)
    for place in random_bytes.integers(len(data) // 3, len(data), 2000):
        data[place] = chance.randrange(256)
    (tmp_path / "bag.mcap").write_bytes(data)
    assert main(["doctor", str(tmp_path / "bag.mcap")]) in (0, 1, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_damaged_of_a_bag_and_what_none_can_be_called_is_said(tmp_path, capsys):
    """A topic of another recorder's name, and a bag that breaks off, leave the others usable."""
    store, wrench = typestore(), "geometry_msgs/msg/WrenchStamped"
    messages = [ros.serialised(ros.wrench(raw_bags.stamp(k), [1.0] * 6)) for k in range(300)]
    picture = [b"\0\1\0\0 no picture"] * 30
    streams = {
        "/eye/image_raw": ("sensor_msgs/msg/Image", picture),
        "/wrist/wrench": (wrench, messages),
        "/a b/wrench": (wrench, messages),
    }
    raw_bags.write(tmp_path / "bag", streams, store)
    (file,) = (tmp_path / "bag").glob("*.mcap")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 3 // 4])
    status, report = doctor(tmp_path, tmp_path / "bag", "--write", tmp_path / "robot.yaml")
    said = "\n".join(remark["text"] for remark in report["remarks"])
    assert status == 0 and "breaks off" in said and "/eye/image_raw is no camera" in said
    assert "/a b/wrench: no topic of ROS 2 can be called so" in said
    assert Deployment.load(tmp_path / "robot.yaml").topics.topics["wrench"] == "/wrist/wrench"


@pytest.mark.parametrize("name", ["robot.yaml", "notes", "bag/metadata.yaml", "bag/bag.mcap"])
def test_what_is_there_is_not_written_over(bag, tmp_path, capsys, name):
    """A parameter file is changed by hand; the rest is somebody's, too."""
    (tmp_path / "bag").mkdir()
    (tmp_path / name).write_text("mine")
    assert main(["doctor", str(bag), "--write", str(tmp_path / name)]) == 2
    assert "--write would take the place of this file" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "mine"


def test_a_bag_is_shorter_than_any_time_to_listen(bag, tmp_path, capsys):
    assert doctor(tmp_path, bag, "--seconds", "1e308")[0] == 0
