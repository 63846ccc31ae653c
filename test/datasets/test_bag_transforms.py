# SPDX-License-Identifier: Apache-2.0
"""A bag whose pose is on /tf: the windows hold it, and the twist that is derived from it."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from transform_bags import EPOCH, LAYOUT, MESSAGES, MS, SECOND, true_pose, write_bag, write_robot
from transform_messages import TF, assert_same_pose, message

from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inspection.inspection import inspect_source
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.derived_twist import HORIZON_S
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.shipped import shipped


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinova")
    (folder / "layout.yaml").write_text(LAYOUT)
    write_bag(folder / "bag")
    write_bag(folder / "cut", with_static=False)
    return folder


def read(lab, bag="bag", **pose):
    """Windows and problems, with other entries of the robot file's pose."""
    robot = write_robot(lab / "robot.yaml")
    content = yaml.safe_load(robot.read_text())
    content["/**"]["ros__parameters"]["signals"]["pose"] |= pose
    robot.write_text(yaml.safe_dump(content))
    with open_source(lab / bag, Deployment.load(robot).topics) as source:
        return list(windows(source, load_layout(lab / "layout.yaml"))), source.problems


def test_the_pose_is_that_of_another_library_and_the_twist_its_slope(lab):
    made, problems = read(lab)
    assert problems == [] and len(made) >= 39
    for window in made[1:-1]:
        assert all(window.mask.values())
        start_s = (window.start_ns - EPOCH) / SECOND
        for row, offset in ((0, 0), (15, 0.05)):
            now_s = start_s + offset
            # Interpolated between samples that are 10 ms apart.
            assert_same_pose(window.signals["pose"][row], true_pose(now_s), atol=2e-3)
            mean = true_pose(now_s) - true_pose(now_s - HORIZON_S)
            linear = window.signals["twist"][row, :3]
            np.testing.assert_allclose(linear, mean[:3] / HORIZON_S, atol=0.06)


def test_frames_the_other_way_round_are_the_inverse(lab):
    made, _ = read(lab, frame="end_effector_link", child_frame="world")
    start_s = (made[5].start_ns - EPOCH) / SECOND
    expected = true_pose(start_s, "end_effector_link", "world")
    assert_same_pose(made[5].signals["pose"][0], expected, atol=5e-3)


@pytest.mark.parametrize(
    ("bag", "pose", "said"),
    [
        ("bag", {"child_frame": "end_effector_lin"}, "no transform has the frame "
         "'end_effector_lin' (did you mean 'end_effector_link'?)"),
        ("cut", {}, "no transform has the frame 'end_effector_link'; nothing has come on "
         "/tf_static"),
        ("bag", {"child_frame": "world"}, "all transforms of the path are static: no motion"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_and_masked(lab, bag, pose, said):
    made, problems = read(lab, bag, **pose)
    assert len(made) >= 39
    assert not any(window.mask["pose"] or window.mask["twist"] for window in made)
    assert f"'pose' from /tf: {said}" in problems


@pytest.mark.parametrize(
    ("pose", "said"),
    [
        ({"child_frame": "base_link"}, "signals.pose: frame and child_frame are both 'base_link'"),
        ({"child_frame": "/base_link"}, "signals.pose: frame and child_frame are both"),
        ({"scale": [2.0]}, "signals.pose.scale: a pose between two frames has none"),
        ({"fields": ["transforms"]}, "signals.pose.fields: a pose between two frames has none"),
    ],
)
def test_an_entry_that_cannot_be_is_one_line(lab, pose, said):
    with pytest.raises(M2R2Error) as refused:
        read(lab, **pose)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("pose", "said"),
    [
        ({"topic": "/wrench"}, "signals.pose.child_frame needs tf2_msgs/msg/TFMessage, not geom"),
        ({"child_frame": ""}, "tf2_msgs/msg/TFMessage holds many poses: signals.pose.frame and "
         ".child_frame say which"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_go_with_the_topic_is_refused(lab, pose, said):
    with pytest.raises(M2R2Error) as refused:
        read(lab, **pose)
    assert said in str(refused.value)


@pytest.mark.parametrize("age_s", [0.25, 1.0])
def test_how_long_a_transform_is_held_is_the_users(tmp_path, age_s):
    """One joint at 100 Hz on a base that is published every 0.6 s."""
    pose = np.array([1.0, 0, 0, 0, 0, 0, 1])
    sent = [
        (EPOCH + k * 10 * MS, message((*edge, EPOCH + k * 10 * MS, pose)))
        for k in range(300)
        for edge in [("base", "tool")] + [("world", "base")] * (k % 60 == 0)
    ]
    path = tmp_path / "bag"
    store = get_typestore(Stores.ROS2_KILTED)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/tf", TF, typestore=store)
        for stamp, data in sent:
            writer.write(connection, stamp, data)
    said = SensorInput("/tf", frame="world", child_frame="tool")
    topics = TopicMap({"pose": "/tf"}, (), "", {"pose": said})
    layout = SensorLayout((), False, ("pose",))
    with open_source(path, topics) as source:
        batches = list(source.batches(layout, SensingLimits(max_signal_age_s=age_s)))
    stamps, poses = (
        np.concatenate(part) for part in zip(*(b.signals["pose"] for b in batches), strict=True)
    )
    held = (stamps - EPOCH) % (600 * MS)
    np.testing.assert_array_equal(np.isnan(poses).any(axis=1), held > age_s * SECOND)


def test_the_shipped_files_of_a_robot_that_is_in_tf_only_fit_together(lab):
    robot = Deployment.load(shipped("config/kinova_kortex.yaml"))
    layout = load_layout(shipped("config/layouts/pose_in_tf.yaml"))
    assert not set(robot.topics.absent(layout.sensed))
    with open_source(lab / "bag", robot.topics) as source:
        made = list(windows(source, layout.only(["pose", "twist"])))
    assert len(made) >= 39
    assert all(all(window.mask.values()) for window in made[1:-1])


def test_inspection_shows_what_is_derived(lab):
    robot = Deployment.load(write_robot(lab / "robot.yaml"))
    with open_source(lab / "bag", robot.topics) as source:
        seen = inspect_source(source, load_layout(lab / "layout.yaml"), robot.limits)
    times, twists = seen.signals["twist"]
    # None before 50 ms have passed, which the first samples do not fill.
    assert MESSAGES - 6 <= len(times) <= MESSAGES - 5 and np.isfinite(twists).all()
    assert seen.streams.keys() == {"wrench", "pose", "twist"}


def test_a_topic_of_a_derived_signal_is_said_not_to_be_read(lab):
    robot = write_robot(lab / "robot.yaml", topics={"wrench": "/wrench", "twist": "/twist"})
    with open_source(lab / "bag", Deployment.load(robot).topics) as source:
        assert list(windows(source, load_layout(lab / "layout.yaml")))
        assert source.problems == ["'twist' is derived from 'pose': /twist is not read"]


def test_several_poses_come_from_one_tree(lab):
    """As of two arms: each with frames of its own, and a twist that is derived."""
    layout = SensorLayout(
        (), False, ("left_pose", "right_pose", "right_twist"), derived={"right_twist": "right_pose"}
    )
    frames = {"left_pose": ("world", "link_3"), "right_pose": ("link_2", "end_effector_link")}
    entries = {
        name: {"topic": "/tf", "frame": frame, "child_frame": child}
        for name, (frame, child) in frames.items()
    }
    robot = write_robot(lab / "two.yaml", signals=entries, topics={"left_gripper": ""})
    with open_source(lab / "bag", Deployment.load(robot).topics) as source:
        made = list(windows(source, layout))
        assert source.problems == []
    assert all(all(window.mask.values()) for window in made[1:-1])
    start_s = (made[7].start_ns - EPOCH) / SECOND
    for name, ends in frames.items():
        assert_same_pose(made[7].signals[name][0], true_pose(start_s, *ends), atol=5e-3)
