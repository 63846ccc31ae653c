# SPDX-License-Identifier: Apache-2.0
"""A pose from /tf and /tf_static, and a twist from the pose: over DDS as offline, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from harness import STATIONS, Planner, node_program, replay_program, spin_until, started
from message_packages import build_messages, sourced
from sros2_rules import Endpoint, Policy
from tiny_models import write_models
from transform_bags import (
    EPOCH,
    LAYOUT,
    MESSAGES,
    joint_edges,
    static_message,
    write_bag,
    write_robot,
)
from transform_messages import message

from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.models import Models
from m2r2_ros.messages.transform_pose import TransformPose
from m2r2_ros.nodes.transform_source import TransformSource
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout

# Publishes a static transform that late subscribers get, until its input ends.
BROADCASTER = """
import rclpy, sys
from rclpy.qos import QoSProfile, DurabilityPolicy
from tf2_msgs.msg import TFMessage
rclpy.init()
node = rclpy.create_node("broadcaster")
qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
publisher = node.create_publisher(TFMessage, "/tf_static", qos)
publisher.publish(bytes.fromhex(sys.argv[1]))
sys.stdin.read()
"""


POLICY = Path(__file__).resolve().parents[2] / "config" / "sros2_policy.xml"


def joints_message(seconds: float) -> bytes:
    """The transforms of all joints at one time."""
    stamp = EPOCH + round(seconds * 10**9)
    return message(*((*edge, stamp, pose) for edge, pose in joint_edges(seconds).items()))


@pytest.fixture(scope="module")
def tf2_msgs(tmp_path_factory):
    """The environment with tf2_msgs, which the wheels lack and a robot's ROS has."""
    files = {"tf2_msgs/msg/TFMessage": "geometry_msgs/TransformStamped[] transforms"}
    return sourced(build_messages(tmp_path_factory.mktemp("tf2_msgs"), files, ["geometry_msgs"]))


@pytest.fixture
def with_tf2_msgs(tf2_msgs, monkeypatch):
    for name, value in tf2_msgs.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinova")
    (folder / "layout.yaml").write_text(LAYOUT)
    write_models(folder / "models", load_layout(folder / "layout.yaml"))
    write_robot(folder / "robot.yaml", max_wait_s=3.0, max_backlog=1000)
    write_bag(folder / "bag")
    write_bag(folder / "cut", with_static=False)
    return folder


def offline_features(lab):
    models, robot = Models.load(lab / "models"), Deployment.load(lab / "robot.yaml")
    with open_source(lab / "bag", robot.topics) as source:
        made = list(windows(source, models.encoder.layout, robot.limits))
    return [(w.index, w.end_ns, tuple(w.mask.values()), models.encoder(w).tobytes()) for w in made]


def live_features(node, tmp_path, lab, bag, planner):
    """Features over DDS while the bag is played."""
    values = {"models": lab / "models"}
    online = node_program(tmp_path, "online", values, "--params-file", lab / "robot.yaml")
    with started(node, planner, online, *STATIONS):
        with replay_program(tmp_path, lab / bag) as replay:
            spin_until(node, lambda: replay.ended, "the end of the bag")
            assert replay.end() == 0, replay.output
        spin_until(node, lambda: planner.frames, "the first windows")
        online.process.send_signal(signal.SIGINT)
        spin_until(node, lambda: online.ended, "the end of the nodes")
        assert online.end() == 0, online.output
        spin_until(node, lambda: len(planner.features) >= 39, "all features")
    assert "Traceback" not in online.output
    assert planner.value("synchronizer", "pose.messages") == str(MESSAGES), "lost at the start"
    return [(f.index, f.end_ns, f.mask, f.values.tobytes()) for f in planner.features]


def test_live_features_are_the_offline_ones(node, tmp_path, lab, with_tf2_msgs):
    expected = offline_features(lab)
    assert all(all(mask) for _, _, mask, _ in expected[1:-1])
    planner = Planner(node)
    assert live_features(node, tmp_path, lab, "bag", planner) == expected
    for value in ("lost", "malformed"):
        assert planner.value("synchronizer", f"pose.{value}") == "0"
    assert planner.value("synchronizer", "twist.received") != "0"


def test_a_static_transform_from_before_the_start_is_known(node, tmp_path, lab, with_tf2_msgs):
    command = [sys.executable, "-c", BROADCASTER, static_message().hex()]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as broadcaster:
        spin_until(node, lambda: node.count_publishers("/tf_static"), "the static publisher")
        planner = Planner(node)
        live = live_features(node, tmp_path, lab, "cut", planner)
        broadcaster.stdin.close()
    assert live == offline_features(lab)


def test_a_frame_that_never_comes_is_named(node, tmp_path, lab, with_tf2_msgs):
    planner, values = Planner(node), {"models": lab / "models"}
    named = (
        "--params-file",
        lab / "robot.yaml",
        "-p",
        "signals.pose.child_frame:=end_effector_lin",
    )
    online = node_program(tmp_path, "online", values, *named)
    said = "no transform has the frame 'end_effector_lin' (did you mean 'end_effector_link'?)"
    with (
        started(node, planner, online, *STATIONS),
        replay_program(tmp_path, lab / "bag") as replay,
    ):
        spin_until(
            node,
            lambda: said in (planner.value("synchronizer", "pose.reason") or ""),
            "the missing frame",
        )
        spin_until(node, lambda: replay.ended, "the end of the bag")


# Publishes both topics in its namespace, the static one for late subscribers, until its input ends.
ARM = """
import rclpy, sys, threading
from rclpy.qos import QoSProfile, DurabilityPolicy
from tf2_msgs.msg import TFMessage
rclpy.init()
node = rclpy.create_node("arm")
kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
static = node.create_publisher(TFMessage, "tf_static", kept)
static.publish(bytes.fromhex(sys.argv[1]))
moving = node.create_publisher(TFMessage, "tf", 10)
node.create_timer(0.02, lambda: moving.publish(bytes.fromhex(sys.argv[2])))
threading.Thread(target=rclpy.spin, args=(node,), daemon=True).start()
sys.stdin.read()
"""


def test_the_transforms_of_a_robot_in_its_namespace_and_the_policy_for_them(
    node, tmp_path, lab, with_tf2_msgs
):
    """`topic: tf` is the robot's own; SROS 2 has to allow tf_static beside it."""
    planner, values = Planner(node), {"models": lab / "models"}
    more = ("--params-file", lab / "robot.yaml", "-p", "signals.pose.topic:=tf")
    online = node_program(tmp_path, "online", values, *more, "-r", "__ns:=/arm1")
    sent = [static_message().hex(), joints_message(1.0).hex()]
    command = [sys.executable, "-c", ARM, *sent, "--ros-args", "-r", "__ns:=/arm1"]
    text = POLICY.read_text().replace(
        "<topic>/wrist/wrench</topic>", "<topic>tf</topic><topic>tf_static</topic>"
    )
    with subprocess.Popen(command, stdin=subprocess.PIPE) as arm:
        with started(node, planner, online, *(f"arm1/{name}" for name in STATIONS)):

            def heard():
                return planner.value("arm1/synchronizer", "pose.received") not in (None, "0")

            spin_until(node, heard, "poses of the arm")
            topics = {
                name
                for name, _ in node.get_subscriber_names_and_types_by_node("synchronizer", "/arm1")
            }
        arm.stdin.close()
    assert planner.value("arm1/synchronizer", "pose.topic") == "/arm1/tf"
    opened = {Endpoint("topics", "subscribe", name) for name in topics}
    transforms = {Endpoint("topics", "subscribe", f"/arm1/{name}") for name in ("tf", "tf_static")}
    assert transforms <= opened
    assert Policy(POLICY, "/arm1", text).denied("/m2r2", opened) == set()
    assert Policy(POLICY, "/arm1").denied("/m2r2", opened) == transforms


def test_a_policy_that_lacks_tf_static_is_named():
    refused = "/tf_static: not in the SROS 2 policy, or no valid name"
    topic = SimpleNamespace(
        take=lambda until_ns: [],
        static=SimpleNamespace(take=lambda until_ns: [], refusal=refused),
    )
    builder = WindowBuilder(SensorLayout((), False, ("pose",)))
    TransformSource("pose", TransformPose("base", "tool"), topic).feed(builder, None)
    assert builder.counters.streams["pose"].notice == refused


def test_messages_that_waited_for_a_path_in_vain_are_counted_as_lost():
    """8 MB are kept; the diagnostics show what fell out."""
    edges = [("base", f"frame_{i:030}") for i in range(2000)]
    sent = [message(*((*edge, EPOCH, (0, 0, 0, 0, 0, 0, 1)) for edge in edges))] * 60
    nothing = SimpleNamespace(take=lambda until_ns: [], refusal="")
    topic = SimpleNamespace(take=lambda until_ns: sent, static=nothing, lost=2)
    source = TransformSource("pose", TransformPose("base", "tool"), topic)
    builder = WindowBuilder(SensorLayout((), False, ("pose",)))
    source.feed(builder, None)
    assert topic.lost == 2 + 60 - (1 << 23) // len(sent[0])
    assert "no transform has the frame 'tool'" in builder.counters.streams["pose"].reason


def test_without_tf2_msgs_the_remedy_is_one_line(node, tmp_path, lab, tf2_msgs):
    pytest.importorskip("rclpy")
    if (
        subprocess.run([sys.executable, "-c", "import tf2_msgs"], capture_output=True).returncode
        == 0
    ):
        pytest.skip("tf2_msgs is installed")
    command = [sys.executable, "-c", BROADCASTER.replace("/tf_static", "/tf"), "0001000000000000"]
    environment = {**os.environ, **tf2_msgs}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as broadcaster:
        planner, values = Planner(node), {"models": lab / "models"}
        online = node_program(tmp_path, "online", values, "--params-file", lab / "robot.yaml")
        with started(node, planner, online, *STATIONS):
            said = "messages of type tf2_msgs/msg/TFMessage are not installed: `apt install "
            spin_until(node, lambda: said in online.output, "the remedy")
        broadcaster.stdin.close()
    assert "Traceback" not in online.output
    assert "ros-<distribution>-tf2-msgs`, or build the package tf2_msgs" in online.output
