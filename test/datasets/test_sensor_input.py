# SPDX-License-Identifier: Apache-2.0
"""The entries `signals.<sensor>`: what is read of them, and the lines about what cannot be."""

import pytest

from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.offline.deployment import Deployment


def load(tmp_path, body):
    path = tmp_path / "robot.yaml"
    path.write_text(f"/**:\n  ros__parameters:\n{body}")
    return Deployment.load(path).topics


def test_every_key_is_read(tmp_path):
    topics = load(
        tmp_path,
        """
    topics: {wrench: /w}
    signals:
      gripper: {topic: hand/state, type: a_msgs/msg/B2, fields: ['position[j]'], scale: [2, 3],
                offset: 1, unit: m}
      wrench: {frame: tool0}
      pose: {topic: /tf, frame: base_link, child_frame: tool0}
""",
    )
    assert topics.topics == {"gripper": "/hand/state", "wrench": "/w", "pose": "/tf"}
    assert topics.input("wrench") == SensorInput("/w", frame="tool0")
    assert topics.input("gripper") == SensorInput(
        "/hand/state", "a_msgs/msg/B2", ("position[j]",), (2.0, 3.0), (1.0,), "m"
    )
    assert topics.input("pose") == SensorInput("/tf", frame="base_link", child_frame="tool0")
    assert topics.input("twist") == SensorInput()


def test_the_default_topics_may_be_read_in_another_way(tmp_path):
    topics = load(tmp_path, "    signals: {gripper: {scale: 0.001}}\n")
    assert topics.topics == TopicMap().topics
    assert topics.input("gripper").scale == (0.001,)


def test_a_topic_that_the_robot_lacks_has_a_long_form_too(tmp_path):
    body = "    topics: {wrench: /w, pose: ''}\n    signals: {pose: {topic: ''}}\n"
    topics = load(tmp_path, body)
    assert topics.topics == {"wrench": "/w", "pose": ""}


BAD = {
    "key": ("gripper: {feilds: [a]}", "'signals.gripper.feilds' (did you mean 'fields'?)"),
    "no key": ("gripper: /topic", "'signals.gripper' must be a map: topic, type, fields"),
    "deep": ("gripper: {a: {topic: /t}}", "unknown parameter 'signals.gripper.a.topic'"),
    "twice": (
        "wrench: {topic: /v}",
        "topics.wrench and signals.wrench.topic are both given: keep one",
    ),
    "no topic": ("wrnch: {scale: 2}", "signals.wrnch has no topic (did you mean 'wrench'?)"),
    "topic": ("pose: {topic: /a//b}", "topic of 'pose' is no topic name: '/a//b'"),
    "number": ("wrench: {topic: 3}", "signals.wrench.topic must be a text, got 3"),
    "type": ("wrench: {type: WrenchStamped}", "signals.wrench.type is not package/msg/Type"),
    "one text": ("wrench: {fields: force}", "signals.wrench.fields must be a list of texts"),
    "path": ("wrench: {fields: ['a[']}", "signals.wrench.fields: 'a[' is no field path"),
    "scale": ("wrench: {scale: [a]}", "signals.wrench.scale must be a number or a list of numbers"),
    "zero": ("wrench: {scale: [1, 0]}", "signals.wrench.scale is 0"),
    "infinite": ("wrench: {offset: .inf}", "signals.wrench: scale and offset must be finite"),
    "truth": ("wrench: {scale: true}", "signals.wrench.scale must be a number"),
    "frames": ("wrench: {child_frame: a}", "signals.wrench.child_frame needs the fixed frame"),
}


@pytest.mark.parametrize(("entry", "text"), BAD.values(), ids=BAD)
def test_a_bad_entry_is_one_line_that_names_it(tmp_path, entry, text):
    with pytest.raises(M2R2Error) as caught:
        load(tmp_path, f"    topics: {{wrench: /w}}\n    signals: {{{entry}}}\n")
    assert text in str(caught.value) and "robot.yaml" in str(caught.value)
