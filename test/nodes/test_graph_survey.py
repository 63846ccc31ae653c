# SPDX-License-Identifier: Apache-2.0
"""`m2r2 doctor` on the live graph: what it writes is what the node configures with."""

import json
import threading

from harness import Planner, node_program, started
from rclpy.qos import QoSProfile, ReliabilityPolicy
from robot import RATES_HZ, TOPICS, Robot, image, set_stamp
from sensor_msgs.msg import Image

from m2r2_ros.cli.main import main

MASKED_BY_FAULT = "twist"


def examine(robot, *arguments):
    """The exit status of the doctor, while the robot publishes."""
    status = []
    doctor = threading.Thread(target=lambda: status.append(main(["doctor", *map(str, arguments)])))
    doctor.start()
    robot.run_until(lambda: not doctor.is_alive(), "the doctor")
    return status[0]


def test_the_written_file_starts_the_node(node, models, tmp_path, capsys):
    robot = Robot(node)
    robot.fault = lambda name, message: [
        set_stamp(message, 0) if name == MASKED_BY_FAULT else message
    ]
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    depth = node.create_publisher(Image, "/robot/depth", best_effort)
    timer = node.create_timer(0.05, lambda: depth.publish(image(encoding="16UC1", channels=2)))
    written, report = tmp_path / "robot.yaml", tmp_path / "report.json"
    wanted = ("--models", models, "--seconds", 4)
    assert examine(robot, *wanted, "--write", written, "--json", report) == 0
    node.destroy_timer(timer)
    found = json.loads(report.read_text())
    topics = found["topics"]
    assert {TOPICS[name] for name in RATES_HZ} | {"/robot/depth"} <= topics.keys()
    assert topics["/robot/depth"]["qos"] == "best effort"
    assert topics[TOPICS["wrench"]]["frame"] == "wrench"
    assert topics[TOPICS["hama1"]]["picture"] == "32 x 24 rgb8"
    assert topics[TOPICS[MASKED_BY_FAULT]]["clock"] == "zero"
    assert topics[TOPICS["wrench"]]["rate_hz"] > 0
    served = {name: s["topic"] for name, s in found["sensors"].items() if not s["problem"]}
    wished = {name: TOPICS[name] for name in RATES_HZ if name != MASKED_BY_FAULT}
    assert served == wished
    assert f"{TOPICS[MASKED_BY_FAULT]}: stamps are zero" in written.read_text()

    planner = Planner(node)
    program = node_program(tmp_path, "synchronizer", {"models": models}, "--params-file", written)
    with started(node, planner, program, "synchronizer"):
        robot.run_until(lambda: int(planner.value("synchronizer", "windows") or 0) > 3, "windows")
        masked = planner.value("synchronizer", "masked")
    assert masked == MASKED_BY_FAULT


def test_without_publishers_the_chain_cannot_run(ros, capsys):
    assert main(["doctor", "--seconds", "0.5"]) == 1
    assert "the chain cannot run" in capsys.readouterr().out
