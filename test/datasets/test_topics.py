# SPDX-License-Identifier: Apache-2.0
"""Topic maps and the shipped parameter files."""

import pytest

from m2r2_ros.datasets.reassemble_topics import TOPICS
from m2r2_ros.datasets.topics import TopicMap, load_topics
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped


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


@pytest.mark.parametrize("path", sorted(shipped("config").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_rig_serves_the_default_layout(path):
    if "ros__parameters" not in path.read_text():
        pytest.skip("no parameters of nodes")
    topics = load_topics(path)
    assert all(topics.topic(modality) for modality in SensorLayout().modalities)


def test_values_are_read(tmp_path):
    path = parameters(
        tmp_path,
        "    topics: {left: /l, audio: /mic}\n    gripper_joints: []\n"
        "    reference_camera: left\n    max_wait_s: 0.2\n    models: /somewhere\n",
    )
    assert load_topics(path) == TopicMap({"left": "/l", "audio": "/mic"}, (), "left")


BAD = {
    "signal misspelled": (
        "    topics: {wrnch: /w}\n",
        "'wrnch' in topics (did you mean 'wrench'?)",
    ),
    "parameter misspelled": ("    topcs: {}\n", "'topcs' (did you mean 'topics'?)"),
    "joints misspelled": ("    gripper_joint: []\n", "(did you mean 'gripper_joints'?)"),
    "no topic name": ("    topics: {hama1: image}\n", "must be a name that begins with /: image"),
    "number": ("    topics: {hama1: 3}\n", "must be a name that begins with /: 3"),
    "list": ("    topics: [1]\n", "'topics' must map modalities to topics"),
    "joints": ("    gripper_joints: left\n", "'gripper_joints' must be a list of joint names"),
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
        ("hello", "'/**' is missing"),
        ("/*: {}", r"'/**' is missing (did you mean '/*'?)"),
        ("/**: {ros_parameters: {}}", "(did you mean 'ros_parameters'?)"),
        ("!!python/object/apply:os.system [echo]", "not YAML"),
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


def test_the_nearest_modality_is_named():
    with pytest.raises(M2R2Error, match=r"no topic is configured for 'hama3' \(did you mean 'ham"):
        TopicMap().topic("hama3")
