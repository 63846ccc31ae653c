# SPDX-License-Identifier: Apache-2.0
"""Two robots in one domain, each in its namespace, do not hear each other."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from harness import STATIONS, Planner, check_ids, node_program, spin_until, started
from robot import RATES_HZ, Robot

from m2r2_ros.nodes.lifecycle_probe import activity_probe

ARMS = ("arm1", "arm2")


@pytest.fixture
def arms(ros):
    """A node in the namespace of each robot: what a planner's program would be."""
    nodes = {arm: ros.create_node("planner", namespace=arm) for arm in ARMS}
    yield nodes
    for node in nodes.values():
        node.destroy_node()


def chain(folder, models, arm):
    """The nodes with the same parameter file for every robot: its topics are relative."""
    values = {"models": models, **{f"topics.{name}": f"robot/{name}" for name in RATES_HZ}}
    return node_program(folder, "online", values, "-r", f"__ns:=/{arm}")


def test_each_planner_hears_its_own_robot(arms, tmp_path, models):
    planners = {arm: Planner(node) for arm, node in arms.items()}
    with ExitStack() as stack:
        programs = {}
        for arm, node in arms.items():
            folder = tmp_path / arm
            folder.mkdir()
            names = [f"{arm}/{name}" for name in STATIONS]
            program = started(node, planners[arm], chain(folder, models, arm), *names)
            programs[arm] = stack.enter_context(program)
        one, two = (planners[arm] for arm in ARMS)
        topics = {name: f"/arm1/robot/{name}" for name in RATES_HZ}
        robot = Robot(arms["arm1"], topics=topics)
        robot.run_until(lambda: one.frames[10:] and one.events, "segments of the first robot")
        # What the other heard until now is here, too, once it says how it is.
        spin_until(arms["arm2"], lambda: two.heard("arm1/segmenter"), "the shared diagnostics")
        assert not two.events and not two.frames and not two.features
        assert two.value("arm2/synchronizer", "windows") == "0"
        assert one.value("arm1/synchronizer", "wrench.topic") == "/arm1/robot/wrench"
        # Each finds its own nodes by their plain names.
        probes = {arm: activity_probe(arms[arm], "segmenter") for arm in ARMS}
        for arm, probe in probes.items():
            spin_until(arms[arm], probe, "the probe")
        opened = {name for name, _ in arms["arm1"].get_topic_names_and_types()}
        assert {"/arm1/action_segment", "/arm2/m2r2/window"} <= opened
        assert not {name for name in opened if name.startswith(("/action", "/m2r2"))}
        for program in programs.values():
            assert program.interrupt() == 0, program.output
        spin_until(arms["arm1"], lambda: one.events[-1].status == 2, "the last ENDED")
    assert check_ids(one.events)
    assert not two.events


def test_without_a_namespace_the_names_are_as_ever(node, tmp_path, models):
    planner = Planner(node)
    with started(node, planner, node_program(tmp_path, "online", {"models": models}), *STATIONS):
        expected = {
            "/action_segment",
            "/diagnostics",
            "/m2r2/features",
            "/m2r2/frame_prediction",
            "/m2r2/window",
        }
        opened = lambda: {name for name, _ in node.get_topic_names_and_types()}  # noqa: E731
        spin_until(node, lambda: expected <= opened(), "the topics")
        services = {name for name, _ in node.get_service_names_and_types()}
        assert {"/segmenter/reset", "/segmenter/get_segments", "/synchronizer/reset"} <= services
