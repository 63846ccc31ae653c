# SPDX-License-Identifier: Apache-2.0
"""A robot that lacks a sensor: it is left out of the parameter file, and that is no trouble."""

from __future__ import annotations

from itertools import pairwise

import pytest
import yaml
from harness import STATIONS, Planner, node_program, replay_program, spin_until, started
from rclpy.parameter import Parameter
from rclpy.subscription import RCLError
from robot import TOPICS, Robot

from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS
from m2r2_ros.datasets.source import open_source
from m2r2_ros.inference.models import Models
from m2r2_ros.nodes.diagnostics import OK
from m2r2_ros.nodes.synchronizer import Synchronizer
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source

ABSENT = ("hama1", "gripper")
THERE = {name: topic for name, topic in TOPICS.items() if name not in ABSENT}


@pytest.fixture
def synchronizer(ros, models):
    made = []

    def make(**values):
        made.append(Synchronizer(values={"models": str(models), **values}))
        return made[-1]

    yield make
    for station in made:
        station.shut_down()
        station.destroy_node()


def ended_by_frames(planner):
    windows, gaps = (
        int(planner.value("synchronizer", name)) for name in ("windows", "gap_windows")
    )
    return windows - gaps


@pytest.mark.parametrize("absent", [{}, {f"topics.{name}": "''" for name in ABSENT}])
def test_it_is_masked_said_once_and_all_is_well(node, tmp_path, models, absent):
    planner, robot = Planner(node), Robot(node, absent=ABSENT)
    values = {"models": models, **{f"topics.{n}": t for n, t in THERE.items()}, **absent}
    with started(node, planner, node_program(tmp_path, "online", values), *STATIONS) as online:
        robot.run_until(lambda: planner.frames[20:], "windows")
        robot.run_until(lambda: planner.level("synchronizer") == 0, "the all-clear")
        # The other camera ends the windows, as far as a busy machine lets it.
        robot.run_until(lambda: ended_by_frames(planner) >= 20, "windows that a frame ended")
        masked = planner.value("synchronizer", "masked")
        assert masked == "hama1, gripper"
        assert planner.statuses["synchronizer"].message == "active"
        assert online.interrupt() == 0, online.output
    for name in ABSENT:
        said = f"'{name}' has no topic: the robot is taken to lack it, and it is masked"
        assert online.output.count(said) == 1
        assert online.output.count(name) == 1


def test_a_robot_without_cameras_gets_windows_of_the_nominal_rate(node, tmp_path, models):
    cameras = ("hama1", "hama2")
    planner, robot = Planner(node), Robot(node, absent=cameras)
    there = {name: topic for name, topic in TOPICS.items() if name not in cameras}
    values = {"models": models, **{f"topics.{n}": t for n, t in there.items()}}
    with started(node, planner, node_program(tmp_path, "online", values), *STATIONS) as online:
        robot.run_until(lambda: planner.frames[20:], "windows")
        robot.run_until(lambda: planner.level("synchronizer") == 0, "the all-clear")
        assert planner.value("synchronizer", "masked") == "hama1, hama2"
        stamps = [frame.stamp_ns for frame in planner.frames]
        assert {b - a for a, b in pairwise(stamps)} == {100_000_000}
        assert online.interrupt() == 0, online.output


@pytest.mark.parametrize("lacking", [ABSENT, ("hama1", "hama2", "audio")])
def test_live_equals_offline_by_the_same_file(node, tmp_path, bag, models, lacking):
    path = tmp_path / "robot.yaml"
    topics = {name: topic for name, topic in DEFAULT_TOPICS.items() if name not in lacking}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"topics": topics}}}))
    deployment = Deployment.load(path)
    with open_source(bag, deployment.topics) as source:
        offline = segment_source(source, Models.load(models), deployment)
    for name in lacking:
        assert sum(f"'{name}' has no topic" in line for line in source.problems) == 1

    planner = Planner(node)
    values = {"models": models, "max_backlog": 1000}
    online = node_program(tmp_path, "online", values, "--params-file", str(path))
    with started(node, planner, online, *STATIONS):
        with replay_program(tmp_path, bag) as replay:
            spin_until(node, lambda: replay.ended, "the end of the bag")
        assert online.interrupt() == 0, online.output
        count = len(offline.predictions)
        spin_until(node, lambda: len(planner.frames) >= count, "all frames")
    for live, expected in zip(planner.frames, offline.predictions, strict=True):
        assert (live.index, live.stamp_ns) == (expected.index, expected.stamp_ns)
        assert live.probabilities.tobytes() == expected.probabilities.tobytes()


def test_a_topic_can_be_changed_between_cleanup_and_configure(synchronizer):
    station = synchronizer(**{f"topics.{name}": topic for name, topic in THERE.items()})
    station.trigger_configure()
    assert station.fault == ""
    (refused,) = station.set_parameters([Parameter("topics.wrench", value="/other")])
    assert "is read in 'configure'" in refused.reason
    station.trigger_cleanup()
    # One that had no topic can get one, too.
    new = {"topics.wrench": "/other", "topics.gripper": "gripper/state", "topics.twist": ""}
    for name, topic in new.items():
        (answer,) = station.set_parameters([Parameter(name, value=topic)])
        assert answer.successful, answer.reason
    station.trigger_configure()
    assert station.fault == ""
    values = station.report().values
    assert values["wrench.topic"] == "/other"
    # Relative names are those of the node's namespace.
    assert values["gripper.topic"] == "/gripper/state"
    assert "twist.topic" not in values
    assert station.report().level == OK


def test_what_applies_without_topics_is_said(synchronizer, capfd):
    said = "no topics are given: those of config/reassemble.yaml apply"
    station = synchronizer(**{f"topics.{name}": topic for name, topic in THERE.items()})
    station.trigger_configure()
    assert said not in capfd.readouterr().err
    station.trigger_shutdown()
    station = synchronizer()
    station.trigger_configure()
    assert capfd.readouterr().err.count(said) == 1
    assert station.report().values["wrench.topic"] == DEFAULT_TOPICS["wrench"]


def test_a_topic_that_the_security_policy_denies_is_masked(node, synchronizer, monkeypatch):
    station = synchronizer(silence_warning_s=0.1, **{f"topics.{n}": t for n, t in TOPICS.items()})
    station.trigger_configure()
    station.trigger_activate()
    subscribe = station.create_subscription

    def as_the_policy_allows(kind, topic, *arguments, **options):
        if topic == TOPICS["wrench"]:
            raise RCLError("Failed to create subscription: could not create datareader")
        return subscribe(kind, topic, *arguments, **options)

    monkeypatch.setattr(station, "create_subscription", as_the_policy_allows)
    robot = Robot(node)
    robot.run_until(
        # The executor would call this; a fault in it would be raised here.
        lambda: station._follow() or "wrench: not in the SROS 2 policy" in station.report().message,
        "the reason",
    )
    assert station.fault == "" and station.is_active
    assert station.report().values["pose.type"] == "geometry_msgs/msg/PoseStamped"
    assert station.report().values["wrench.type"] == ""


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"topics.hama1": 3}, "parameter topics.hama1 must be a text, got 3"),
        ({"topics.hama1": "~/image"}, "topic of 'hama1' is no topic name: '~/image'"),
        ({"topics.front": "/f"}, "none of the encoder's sensors has a topic: hama1, hama2, audio"),
    ],
)
def test_topics_that_cannot_be_are_one_line(synchronizer, values, fault):
    station = synchronizer(**values)
    station.trigger_configure()
    assert fault in station.fault
