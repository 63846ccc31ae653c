# SPDX-License-Identifier: Apache-2.0
"""A parameter file means to the offline commands what it means to a node: compared with rcl."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from parameter_files import parameter_file

from m2r2_ros.datasets.parameter_file import ParameterFile
from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.parameter_declaration import overrides
from m2r2_ros.nodes.parameters import SYNCHRONIZER
from m2r2_ros.nodes.synchronizer import Synchronizer
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import SensorLayout

FILES = 300
# What is refused by name though rcl makes something of it.
STRICTER = (
    "is given twice",
    "a list holds values",
    "has a dot and a map",
    "has no value",
    "it has no 'ros__parameters'",
    "needs 'ros__parameters'",
    "holds a NUL",
)


def by_rcl(rclpy, path, name="tester", namespace=""):
    """Parameters that a node gets from the file; None where rcl refuses it."""
    context = rclpy.Context()
    arguments = ["tester", "--ros-args", "--log-level", "fatal", "--params-file", str(path)]
    # Not the domain of the test's other nodes, nor one of test_security_policy: a participant that
    # is destroyed while it discovers another one of its process may wait for ever (Fast DDS 3.2: it
    # spins on the listener's lock).
    domain = 1 + (int(os.environ["ROS_DOMAIN_ID"]) + 40) % 101
    try:
        rclpy.init(args=arguments, context=context, domain_id=domain)
    except Exception:  # rcl's own errors share no base class.
        return None
    quiet = {"enable_rosout": False, "start_parameter_services": False}
    node = rclpy.create_node(name, namespace=namespace, context=context, **quiet)
    try:
        return {key: as_list(value) for key, value in overrides(node).items()}
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def as_list(value):
    """rcl has no type for an empty list, and arrays for the others."""
    if value is None:
        return []
    return value if isinstance(value, bool | int | float | str) else list(value)


def ours(path, node="/tester"):
    """The same by our reader, or the text of its error."""
    try:
        return ParameterFile.read(path).of(node)
    except M2R2Error as error:
        return str(error)


def test_files_by_chance_are_read_as_rcl_reads_them(ros, tmp_path):
    """Types are compared, too: the texts of 1, 1.0 and True differ."""
    path, found = tmp_path / "robot.yaml", Counter()
    for seed in range(FILES):
        path.write_text(parameter_file(seed), "utf-8")
        for namespace in ("", "/arm1"):
            wanted, read = by_rcl(ros, path, namespace=namespace), ours(path, f"{namespace}/tester")
            if isinstance(read, str):
                strict = any(text in read for text in STRICTER)
                assert wanted is None or strict, f"{seed}: {read}"
                found["refused by both" if wanted is None else "refused by us"] += 1
            else:
                assert wanted is not None, f"{seed}: {path.read_text()}"
                assert {k: repr(v) for k, v in read.items()} == {
                    k: repr(v) for k, v in wanted.items()
                }, f"{seed}: {path.read_text()}"
                found["values" if read else "nothing"] += 1
    # The comparison is worth something only where values are read.
    assert found["values"] > FILES / 4, found


ROBOT = """
/**:
  ros__parameters:
    max_force_n: 1e1
    topics: {hama1: /a/hama1, wrench: /a/wrench}
"""
# Forms that people write: what a node of the package makes of each.
FORMS = {
    "all nodes": (ROBOT, {"max_force_n": 10.0, "topics.wrench": "/a/wrench"}),
    "a node's own section": (
        ROBOT + "/synchronizer: {ros__parameters: {max_force_n: 0.5}}\n",
        {"max_force_n": 0.5, "topics.wrench": "/a/wrench"},
    ),
    "all nodes after one": (
        "synchronizer: {ros__parameters: {max_force_n: 0.5}}\n" + ROBOT,
        {"max_force_n": 10.0},
    ),
    "the form of ros2 param dump": (
        "/synchronizer:\n  ros__parameters:\n    max_force_n: 3.0\n    gripper_joints:\n    - a\n"
        "    topics:\n      hama1: /h\n    use_sim_time: false\n",
        {"max_force_n": 3.0, "gripper_joints": ["a"], "topics.hama1": "/h"},
    ),
    "dotted": (
        "/**:\n  ros__parameters:\n    topics.hama1: /h\n    topics.wrench: /w\n",
        {"topics.hama1": "/h", "topics.wrench": "/w"},
    ),
    "repeated block": (
        ROBOT + "/**:\n  ros__parameters:\n    max_torque_nm: 3\n",
        {"max_force_n": 10.0, "max_torque_nm": 3, "topics.wrench": "/a/wrench"},
    ),
    "pattern": (
        "/**/synchronizer: {ros__parameters: {max_force_n: 4.0, topics: {hama1: /h}}}\n",
        {"max_force_n": 4.0},
    ),
    "all joints": (
        "/**: {ros__parameters: {gripper_joints: [], topics: {hama1: /h}}}\n",
        {"gripper_joints": []},
    ),
    "inputs in full": (
        "/**:\n  ros__parameters:\n    topics: {hama1: /h}\n    signals:\n"
        "      gripper: {topic: hand, fields: ['position[j]'], scale: [2], unit: m}\n"
        "      pad: {topic: /p, fields: ['data[0:3]', 'data[5]'], scale: [1.0, 2.5], offset: 3}\n",
        {"signals.gripper.scale": [2], "signals.pad.offset": 3},
    ),
}


@pytest.mark.parametrize(("text", "values"), FORMS.values(), ids=FORMS)
def test_the_node_and_the_commands_read_one_thing(ros, tmp_path, text, values):
    path = tmp_path / "robot.yaml"
    path.write_text(text)
    given = by_rcl(ros, path, "synchronizer")
    assert given == ParameterFile.read(path).of("/synchronizer")
    assert given | values == given
    deployment = Deployment.load(path)
    for setting in SYNCHRONIZER:
        if setting.name in given and hasattr(deployment.limits, setting.name):
            assert getattr(deployment.limits, setting.name) == setting.read(given[setting.name])
    topics = {k.removeprefix("topics."): v for k, v in given.items() if k.startswith("topics.")}
    signals = [name for name in given if name.startswith("signals.")]
    assert not topics or signals or deployment.topics.topics == topics
    if "gripper_joints" in given:
        assert deployment.topics.gripper_joints == tuple(given["gripper_joints"])


def test_the_node_reads_inputs_as_the_commands_do(ros, tmp_path, monkeypatch):
    path = tmp_path / "robot.yaml"
    path.write_text(FORMS["inputs in full"][0])
    context = ros.Context()
    ros.init(args=["x", "--ros-args", "--params-file", str(path)], context=context)
    monkeypatch.setattr("rclpy.node.get_default_context", lambda: context)
    node = Synchronizer()
    try:
        node._layout = SensorLayout(("hama1",), False, ["gripper"])
        values = {s.name: node.get_parameter(s.name).value for s in SYNCHRONIZER}
        read, by_command = node._read_topics(values), Deployment.load(path).topics
        # A relative topic is resolved where it is subscribed to.
        assert read.topics == {**by_command.topics, "gripper": "hand"}
        assert read.signals == by_command.signals
        assert read.signals["pad"].scale == (1.0, 2.5)
    finally:
        node.destroy_node()
        ros.shutdown(context=context)


def test_a_node_takes_an_empty_list_for_all_joints(ros, tmp_path, monkeypatch):
    class Hand(ManagedNode):
        SETTINGS = tuple(s for s in SYNCHRONIZER if s.name == "gripper_joints")

        def configure(self, values):
            self.joints = values["gripper_joints"]

    path = tmp_path / "robot.yaml"
    path.write_text("/**:\n  ros__parameters:\n    gripper_joints: []\n    robot_ip: 192.0.2.10\n")
    context = ros.Context()
    ros.init(args=["x", "--ros-args", "--params-file", str(path)], context=context)
    monkeypatch.setattr("rclpy.node.get_default_context", lambda: context)
    node = Hand("synchronizer")
    try:
        node.trigger_configure()
        assert node.fault == ""
        assert node.joints == ()
    finally:
        node.destroy_node()
        ros.shutdown(context=context)
