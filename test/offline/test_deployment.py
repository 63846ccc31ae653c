# SPDX-License-Identifier: Apache-2.0
"""A deployment is what the robot's nodes would make of the file, and says what nobody uses."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys

import pytest

from m2r2_ros.datasets.array_mapping import ArrayMapping
from m2r2_ros.datasets.parameter_file import ParameterFile
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.parameters import ALL_NAMES
from m2r2_ros.nodes.setting import foreign_names
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.small_files import MAX_BYTES


def load(tmp_path, text):
    path = tmp_path / "robot.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Deployment.load(path)


def section(name, **values):
    lines = "".join(f"    {key}: {value}\n" for key, value in values.items())
    return f"{name}:\n  ros__parameters:\n{lines}"


@pytest.mark.parametrize("one", [Deployment(), TopicMap(), ArrayMapping(), SensorLayout()])
def test_what_workers_are_told_goes_into_their_processes(one):
    """Nobody's settings are the defaults: a command with two workers sends them, too."""
    assert pickle.loads(pickle.dumps(one)) == one


def test_each_node_has_its_own_section(tmp_path):
    text = section("/synchronizer", max_force_n=3, confirm_s=9) + section(
        "/segmenter", confirm_s=2, actions="[Insert USB]", max_force_n=8
    )
    found = load(tmp_path, text)
    assert found.limits.max_force_n == 3.0
    assert found.tracker == {"confirm_s": 2.0}
    assert found.actions == ("Insert USB",)


def test_the_namespace_is_that_of_the_robot_in_the_file(tmp_path):
    text = section("/arm1/synchronizer", max_force_n=3) + section("/arm1/segmenter", confirm_s=2)
    found = load(tmp_path, text)
    assert (found.limits.max_force_n, found.tracker) == (3.0, {"confirm_s": 2.0})
    assert load(tmp_path, section("/arm1/**", max_force_n=4)).limits.max_force_n == 4.0
    with pytest.raises(M2R2Error, match=r"several robots, /arm1 and /arm2"):
        load(tmp_path, text + section("/arm2/segmenter", confirm_s=2))


def test_a_file_for_other_nodes_only_is_refused(tmp_path):
    with pytest.raises(M2R2Error, match=r"has sections for /synchroniser, none for synchronizer"):
        load(tmp_path, section("/synchroniser", max_force_n=3))


def test_what_is_not_used_is_named(tmp_path):
    text = section("/**", use_sim_time="true", robot_ip="192.0.2.10", update_rate=1000)
    found = load(tmp_path, text + section("/synchroniser", max_force_n=3))
    assert [line.partition("robot.yaml: ")[2] for line in found.notes] == [
        "parameters of other nodes, not used here: robot_ip, update_rate",
        "nothing here uses '/synchroniser' (meant: 'synchronizer'?)",
    ]


def test_pairs_of_cameras_are_the_nodes_own(tmp_path):
    found = load(tmp_path, section("/**", camera_sync="approximate"))
    assert ["camera_sync 'approximate' is the running nodes'" in line for line in found.notes] == [
        True
    ]
    assert not load(tmp_path, section("/**", camera_sync="held")).notes


# Of drivers, controllers and navigation: what stands beside ours under a shared /**.
OTHERS = """
robot_ip arm_id load_gripper use_fake_hardware fake_sensor_commands update_rate
serial_port baud_rate camera_name rgb_camera.profile depth_module.exposure enable_color
pointcloud.enable joint_state_frequency robot_description publish_frequency ignore_timestamp
base_link tf_prefix
controller_manager.update_rate type joints command_interfaces state_interfaces gains.p gains.i
goal_time constraints.stopped_velocity_tolerance allow_partial_joints_goal tool0 frame_prefix
sensor_name publish_rate map_topic scan_topic max_vel_x min_vel_x inflation_radius resolution
footprint plugins observation_sources transform_tolerance yaml_filename planner_plugins
controller_frequency odom_frame base_frame global_frame laser_max_range alpha1 z_hit ip_address
kinematics robot_controller initial_joint_controller headless_mode script_filename
"""


@pytest.mark.parametrize("name", OTHERS.split())
def test_parameters_of_other_nodes_stop_nobody(name):
    assert foreign_names([name], ALL_NAMES) == [name]


def slips() -> list[tuple[str, str]]:
    """Names of ours with a letter more, less, exchanged or swapped with the next."""
    chance, found = random.Random(9), []
    for name in sorted(n for n in ALL_NAMES if len(n) > 7 and "." not in n):
        at = chance.randrange(1, len(name) - 1)
        slip = chance.choice(
            [
                name[:at] + name[at + 1 :],
                name[:at] + name[at] + name[at:],
                name[:at] + "x" + name[at + 1 :],
                name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
            ]
        )
        found += [(name, slip)] if slip != name else []
    return found


def test_every_slip_of_a_name_of_ours_is_named():
    tried = slips()
    assert len(tried) >= 30
    for name, slip in tried:
        with pytest.raises(M2R2Error, match=rf"'{slip}' \(did you mean '"):
            foreign_names([slip], ALL_NAMES)
        assert foreign_names([name], ALL_NAMES) == []


BAD = {
    "no value": ("/**: {ros__parameters: {models: }}", "parameter models has no value"),
    "alias": (
        "/**:\n  ros__parameters:\n    max_force_n: &f 7.0\n    max_torque_nm: *f\n",
        "line 4: '*f': ROS 2 does not follow YAML's aliases",
    ),
    "mixed list": ("/**: {ros__parameters: {gripper_joints: [a, 1]}}", "have one type"),
    "list in a list": ("/**: {ros__parameters: {actions: [[a]]}}", "actions: a list holds values"),
    "two types": ("/**: {ros__parameters: {jump_s: 1, jump_s: x}}", "jump_s is given twice"),
    "a word for a number": ("/**: {ros__parameters: {jump_s: 1e999}}", "jump_s must be a number"),
    "empty list": ("/**: {ros__parameters: {jump_s: []}}", "jump_s must be a number, got []"),
    "range": ("/**: {ros__parameters: {silence_warning_s: 0}}", "silence_warning_s must be in"),
    "tracker": ("segmenter: {ros__parameters: {confirm_s: 99}}", "confirm_s must be in [0, 60]"),
    "NUL": ('/**: {ros__parameters: {models: "a\\0b"}}', "models holds a NUL character"),
    "no node": ("/arm1/sync*: {ros__parameters: {models: a}}", "'/arm1/sync*' is no node's name"),
    "value outside": ("/**: {models: a}", "'/**/models' needs 'ros__parameters'"),
    "no text": (b"/**: {ros__parameters: {models: \xff}}", "not YAML"),
    "deep": ("/**: {ros__parameters: " + "{a: " * 5000, "not YAML"),
    "endless number": ("/**: {ros__parameters: {jump_s: " + "9" * 5000 + "}}", "jump_s must be"),
    "bomb": (
        "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(50)),
        "line 2: '*a': ROS 2 does not follow YAML's aliases",
    ),
    "large": (b"#" * (MAX_BYTES + 1), "more than 1000000 bytes"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_files_are_one_line_that_names_the_place(tmp_path, text, message):
    with pytest.raises(M2R2Error) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert "robot.yaml" in str(caught.value)


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(M2R2Error, match=r"cannot read .*pipe\.yaml: not a file"):
        ParameterFile.read(tmp_path / "pipe.yaml")


def test_utf_16_is_read_as_rcl_reads_it(tmp_path):
    text = "\ufeff" + section("/**", max_force_n=3)
    for encoding in ("utf-16-le", "utf-16-be", "utf-8"):
        assert load(tmp_path, text.encode(encoding)).limits.max_force_n == 3.0


def test_a_parameter_file_is_read_without_ros():
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['rclpy', 'rcl_interfaces', 'm2r2_msgs']))\n"
        "import m2r2_ros.offline.deployment\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
