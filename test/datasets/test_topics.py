# SPDX-License-Identifier: Apache-2.0
"""Topic maps and the shipped parameter files."""

import numpy as np
import pytest

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.datasets.reassemble_topics import TOPICS
from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inspection.inspection import layout_of
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped


def load_topics(path):
    return Deployment.load(path).topics


def write(tmp_path, text):
    path = tmp_path / "rig.yaml"
    path.write_text(text)
    return path


def parameters(tmp_path, body):
    return write(tmp_path, f"/**:\n  ros__parameters:\n{body}")


def test_the_shipped_rig_is_the_default():
    assert load_topics(shipped("config/reassemble.yaml")) == TopicMap()


def test_the_default_topics_are_those_of_a_converted_recording():
    assert set(TopicMap().topics.values()) <= set(TOPICS)


@pytest.mark.parametrize("name", ["reassemble", "franka_ros2"])
def test_a_shipped_rig_serves_the_default_layout(name):
    """What the other robots lack: `test_robot_files`."""
    modalities = REASSEMBLE_LAYOUT.modalities
    assert load_topics(shipped(f"config/{name}.yaml")).served(modalities).keys() == set(modalities)


def test_values_are_read(tmp_path):
    path = parameters(
        tmp_path,
        "    topics: {left: /l, audio: /mic}\n    gripper_joints: []\n"
        "    reference_camera: left\n    max_wait_s: 0.2\n    models: /somewhere\n",
    )
    assert load_topics(path) == TopicMap({"left": "/l", "audio": "/mic"}, (), "left")


BAD = {
    "parameter misspelled": ("    topcs: {hama1: /a}\n", "'topcs.hama1' (did you mean 'topics'?)"),
    "joints misspelled": ("    gripper_joint: []\n", "(did you mean 'gripper_joints'?)"),
    "no topic name": ("    topics: {hama1: /a//b}\n", "'hama1' is no topic name: '/a//b'"),
    "digit in front": (
        "    topics: {hama1: /2nd/image}\n",
        "'hama1' is no topic name: '/2nd/image'",
    ),
    "digit within": ("    topics: {hama1: /a/2nd}\n", "'hama1' is no topic name: '/a/2nd'"),
    "private name": ("    topics: {hama1: ~/image}\n", "'hama1' is no topic name: '/~/image'"),
    "number": ("    topics: {hama1: 3}\n", "topic of 'hama1' is no topic name: 3"),
    "list": ("    topics: [1]\n", "parameter 'topics' must be a map of names to values"),
    "joints": ("    gripper_joints: left\n", "gripper_joints must be a list of texts, got 'left'"),
    "camera without topic": (
        "    topics: {hama1: '', hama2: /b}\n    reference_camera: hama1\n",
        "reference_camera 'hama1' has no topic",
    ),
    "camera": ("    reference_camera: hama\n", "'hama' has no topic (did you mean 'hama"),
    "empty": ("    {}\n", None),
    "no parameters": ("    3\n", "ros__parameters holds no parameters"),
}


@pytest.mark.parametrize(("body", "text"), BAD.values(), ids=BAD)
def test_bad_parameters_are_one_line(tmp_path, body, text):
    path = parameters(tmp_path, body)
    if text is None:
        assert load_topics(path) == TopicMap()
        return
    with pytest.raises(M2R2Error) as caught:
        load_topics(path)
    assert text in str(caught.value) and "rig.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a: [", "not YAML"),
        ("hello", "line 1: not a ROS 2 parameter file, '/**' needs 'ros__parameters'"),
        ("/*: {}", "not a ROS 2 parameter file, it has no 'ros__parameters'"),
        ("/**: {ros_parameters: {a: 1}}", "(did you mean 'ros_parameters'?)"),
        ("!!python/object/apply:os.system [echo]", "not a ROS 2 parameter file"),
        ("[" * 5000, "not YAML"),
        ("\0", "not YAML"),
    ],
)
def test_no_parameter_file(tmp_path, content, text):
    with pytest.raises(M2R2Error) as caught:
        load_topics(write(tmp_path, content))
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(M2R2Error, match=r"cannot read .*nothing\.yaml"):
        load_topics(tmp_path / "nothing.yaml")


LAYOUT = REASSEMBLE_LAYOUT.modalities
ALL = dict(TopicMap().topics)


@pytest.mark.parametrize("absent", [{"gripper": ""}, {}], ids=["empty", "left out"])
def test_a_sensor_that_the_robot_lacks(absent):
    topics = TopicMap({**{k: v for k, v in ALL.items() if k != "gripper"}, **absent})
    assert topics.served(LAYOUT) == {k: ALL[k] for k in LAYOUT if k != "gripper"}
    (line,) = topics.absent(LAYOUT)
    assert line == "'gripper' has no topic: the robot is taken to lack it, and it is masked"
    assert TopicMap().absent(LAYOUT) == []


def test_a_camera_whose_name_is_misspelt_is_not_taken_for_absent():
    topics = {("hamma2" if k == "hama2" else k): v for k, v in ALL.items()}
    with pytest.raises(M2R2Error, match=r"for 'hama2' \(did you mean 'hamma2'\?\).*hama2: ''"):
        TopicMap(topics).served(LAYOUT)
    assert "hama2" not in TopicMap({**topics, "hama2": ""}).served(LAYOUT)


def test_a_signal_whose_name_is_misspelt_is_found_by_whoever_knows_the_layout():
    topics = TopicMap({("wrnch" if k == "wrench" else k): v for k, v in ALL.items()})
    with pytest.raises(M2R2Error, match=r"no topic .* 'wrench' \(did you mean 'wrnch'\?\)"):
        topics.served(LAYOUT)
    with pytest.raises(M2R2Error, match=r"'wrnch' in topics \(did you mean 'wrench'\?\)"):
        layout_of(topics)


@pytest.mark.parametrize("seed", range(10))
def test_a_layout_of_a_robot_file_has_as_many_columns_as_its_fields(seed):
    """Of kinds that have no width of their own, and of no kind."""
    random = np.random.default_rng(seed)
    kinds = ("tactile", "joint_position", "left_joint_effort", "lid_angle")
    widths = {name: int(random.integers(1, 40)) for name in kinds}
    said = {}
    for name, width in widths.items():
        one_each = tuple(f"position[{name}_{k}]" for k in range(width))
        fields = one_each if random.random() < 0.5 else (f"data[0:{width}]",)
        said[name] = SensorInput(f"/{name}", fields=fields)
    topics = {name: f"/{name}" for name in (*kinds, "front", "wrench")}
    layout = layout_of(TopicMap(topics, (), "front", said))
    assert layout.cameras == ("front",)
    assert {name: layout.signals[name].width for name in kinds} == widths
    assert layout.signals["wrench"].width == 6
    for name, each in said.items():
        shown = [f"position[{column}]" for column in layout.signals[name].columns]
        assert shown == list(each.fields) or each.fields[0].startswith("data")


def test_a_signal_of_unknown_width_names_what_to_write():
    with pytest.raises(M2R2Error, match=r"`signals.tactile.fields: \['data\[0:16\]'\]`"):
        layout_of(TopicMap({"tactile": "/pad"}, reference_camera=""))


def test_a_signal_may_be_called_almost_like_a_preset():
    topics = TopicMap({"tactile_pad": "/pad", "torques": "/t"}, reference_camera="")
    layout = SensorLayout((), False, {"tactile_pad": {"width": 16}, "torques": {"width": 7}})
    assert topics.served(layout.modalities) == {"tactile_pad": "/pad", "torques": "/t"}


def test_a_robot_without_any_of_the_sensors_is_refused():
    with pytest.raises(M2R2Error, match="none of the encoder's sensors has a topic: hama1, hama2"):
        TopicMap({"front": "/front"}, reference_camera="front").served(LAYOUT)


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        ("    topics: {hama2: /b, hama1: /a}\n", "hama1"),
        ("    topics: {front: /f, hama1: '', side: /s}\n", "front"),
        ("    topics: {wrench: /w, hama1: ''}\n", ""),
    ],
)
def test_the_reference_camera_is_one_that_the_robot_has(tmp_path, body, reference):
    assert load_topics(parameters(tmp_path, body)).reference_camera == reference


def test_a_relative_topic_is_one_of_the_root_namespace_in_a_recording(tmp_path):
    path = parameters(tmp_path, "    topics: {hama1: camera/image, wrench: ''}\n")
    assert load_topics(path).topics == {"hama1": "/camera/image", "wrench": ""}
