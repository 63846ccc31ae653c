# SPDX-License-Identifier: Apache-2.0
"""Which topic serves which sensor, over the message types that drivers publish."""

import numpy as np
import pytest
import ros_messages as ros
from drivers import (
    AUDIO_BYTES,
    DEFINITIONS,
    DYNAMIC,
    INTERFACE,
    PACKET,
    XARM,
    definitions_of,
    driver_message,
    made,
    store_of,
)
from transform_messages import message as transforms

from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.diagnosis.candidates import candidates, choose
from m2r2_ros.diagnosis.found_layout import camera_name, found_layout
from m2r2_ros.diagnosis.topic_survey import TopicSurvey
from m2r2_ros.messages.definitions import stored_definitions
from m2r2_ros.sensing.layout import SensorLayout

NOW, SECOND = 1_700_000_000 * 10**9, 10**9
LAYOUT = SensorLayout(("front", "hand"), True)
ROW = [1.0, 2.0, 3.0, 0.1, 0.2, 0.3]
POSE = [0.1, 0.2, 0.3, 0.0, 0.0, 0.0, 1.0]
ARM = [f"joint_{n}" for n in range(1, 8)]
KNUCKLES = ["robotiq_85_left_knuckle_joint", "robotiq_85_right_knuckle_joint"]
HALVES = ros.vector(ROW[:3]), ros.vector(ROW[3:])
FINGERS = ["fr3_finger_joint1", "fr3_finger_joint2"]
GREY = np.zeros((4, 6, 3), np.uint8)
MILLIMETRES = np.zeros((4, 6, 1), np.uint16)


def topic(name, make, count=5, rate_hz=100.0):
    """A topic as it is seen; `make(stamp_ns)` makes its messages."""
    sent = [make(NOW + round(k * SECOND / rate_hz)) for k in range(count)]
    raw, kind = sent[0] if isinstance(sent[0], tuple) else (None, sent[0].__msgtype__)
    definitions = DEFINITIONS if raw else stored_definitions({})
    survey = TopicSurvey(name, kind, definitions)
    for k, message in enumerate(sent):
        data = message[0] if raw else ros.serialised(message)
        survey.add(NOW + round(k * SECOND / rate_hz) + 1_000_000, data)
    return survey


def foreign(kind, **given):
    return lambda stamp: (driver_message(kind, stamp, **given), kind)


def tree(*edges):
    return lambda stamp: (transforms(*((*e, stamp, np.array(POSE)) for e in edges)), TREE)


TREE = "tf2_msgs/msg/TFMessage"
STATES = {
    "joint_names": KNUCKLES[:1],
    "interface_values": [made(INTERFACE, interface_names=["position"], values=np.array([0.7]))],
}


def unstamped(name, *values):
    return lambda stamp: ros.new(name, *values)


def wrench(stamp):
    return ros.wrench(stamp, ROW)


def pose(stamp):
    return ros.pose(stamp, POSE)


def twist(stamp):
    return ros.twist(stamp, ROW)


def joints(names, value=0.02):
    return lambda stamp: ros.joints(stamp, names, [value] * len(names))


def colour(stamp):
    return ros.image(stamp, "bgr8", GREY, 18)


def distances(stamp):
    return ros.image(stamp, "16UC1", MILLIMETRES, 12)


def jpeg(stamp):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "JPEG")
    return ros.compressed(stamp, "bgr8; jpeg compressed bgr8", buffer.getvalue())


def sound(stamp):
    return ros.audio(stamp, 16_000, 1, np.zeros(320))


def surveyed(*topics):
    return {survey.name: survey for survey in topics}


def best(sensor, *topics, layout=LAYOUT):
    """The first candidate's topic, and why it cannot be used."""
    found = candidates(layout, sensor, surveyed(*topics))
    return (found[0].topic, found[0].problem) if found else None


# What is published (robot), the sensor, the topic that serves it.
SERVED = [
    ("franka", "pose", "/franka_robot_state_broadcaster/current_pose", pose),
    ("ur", "pose", "/tcp_pose_broadcaster/pose", pose),
    ("ur", "wrench", "/force_torque_sensor_broadcaster/wrench", wrench),
    ("franka", "twist", "/franka_robot_state_broadcaster/desired_end_effector_twist", twist),
    ("bare", "wrench", "/wrench", unstamped("geometry_msgs/msg/Wrench", *HALVES)),
    ("franka", "gripper", "/franka_gripper/joint_states", joints(FINGERS)),
    ("number", "gripper", "/gripper/width", unstamped("std_msgs/msg/Float64", 0.02)),
    ("colour", "front", "/camera/color/image_raw", colour),
    ("jpeg", "front", "/camera/color/image_raw/compressed", jpeg),
    ("sound", "audio", "/hand/audio", sound),
]  # fmt: skip


@pytest.mark.parametrize("robot,sensor,name,make", SERVED)
def test_a_driver_s_topic_serves_its_sensor(robot, sensor, name, make):
    others = [topic("/rosbridge", unstamped("std_msgs/msg/String", "x")), topic("/imu", wrench)]
    others = others if sensor != "wrench" else others[:1]
    assert best(sensor, *others, topic(name, make)) == (name, "")


# Types that carry a sensor's numbers only once the robot file says how, or not at all.
REFUSED = [
    ("gripper", "/joint_states", joints([*ARM, *KNUCKLES]), "is not known"),
    ("gripper", "/dynamic_joint_states", foreign(DYNAMIC, **STATES), "is not known"),
    ("pose", "/xarm/robot_states", foreign(XARM), None),
    ("front", "/camera/color/image_raw/ffmpeg", foreign(PACKET), "a packet of video of 0"),
    ("front", "/camera/depth/image_raw", distances, "is no colour"),
    ("wrench", "/wrench", lambda stamp: wrench(0), "stamps are zero"),
    ("wrench", "/wrench", lambda stamp: ros.wrench(stamp, [np.nan] * 6), "values are NaN"),
]


@pytest.mark.parametrize("sensor,name,make,why", REFUSED)
def test_what_cannot_be_used_says_why(sensor, name, make, why):
    found = best(sensor, topic(name, make))
    assert found is None if why is None else (found[0] == name and why in found[1])


@pytest.mark.parametrize("kind", ["AudioDataStamped", "AudioData"])
def test_bytes_of_a_microphone_need_what_says_what_they_are(kind):
    """As the package in apt publishes them."""
    store, definitions = store_of(AUDIO_BYTES), definitions_of(AUDIO_BYTES)
    name, package = f"audio_common_msgs/msg/{kind}", "audio_common_msgs/msg"
    silence = np.zeros(320, np.int16).view(np.uint8)
    data = made(f"{package}/AudioData", NOW, store, data=silence)
    given = {"data": silence} if kind == "AudioData" else {"audio": data}
    microphone = TopicSurvey("/mic/audio", name, definitions)
    microphone.add(NOW, driver_message(name, NOW, store, **given))
    assert "AudioInfo has come" in best("audio", microphone)[1]
    said = {"channels": 1, "sample_rate": 16_000, "sample_format": "S16LE"}
    info = TopicSurvey("/mic/audio_info", f"{package}/AudioInfo", definitions)
    info.add(NOW, driver_message(f"{package}/AudioInfo", NOW, store, coding_format="wave", **said))
    assert best("audio", microphone, info) == ("/mic/audio", "")


def test_the_knuckle_that_moves_the_others_is_named():
    (found,) = candidates(LAYOUT, "gripper", surveyed(topic("/js", joints([*ARM, *KNUCKLES]))))
    assert found.said.fields == (f"position[{KNUCKLES[0]}]",)


def test_a_pose_is_found_in_tf_between_base_and_tool():
    edges = [(a, b) for a, b in zip(["base_link", *ARM], [*ARM, "flange"], strict=True)]
    moving = topic("/tf", tree(*edges[:-1], ("base_link", "lid")))
    static = topic("/tf_static", tree(("world", "base_link"), edges[-1], ("flange", "tool0")), 1)
    (found,) = candidates(LAYOUT, "pose", surveyed(moving, static))
    said = found.said
    assert (said.topic, said.frame, said.child_frame) == ("/tf", "base_link", "tool0")
    assert found.is_usable


def test_what_is_measured_goes_before_what_is_commanded():
    found = best("twist", topic("/arm/desired_twist", twist), topic("/arm/twist", twist))
    assert found == ("/arm/twist", "")


def test_a_driver_of_the_gripper_alone_goes_before_all_joints():
    all_joints = topic("/joint_states", joints([*ARM, *FINGERS]))
    assert best("gripper", all_joints, topic("/z/states", joints(FINGERS))) == ("/z/states", "")


def test_each_camera_has_a_topic_of_its_own_and_the_named_one_first():
    raw = [topic(f"/{name}/image_raw", colour) for name in ("hand", "left", "front")]
    packed = topic("/hand/image_raw/compressed", jpeg)
    chosen = choose(LAYOUT, surveyed(*raw, packed))
    assert chosen["front"][0].topic == "/front/image_raw"
    assert chosen["hand"][0].topic == "/hand/image_raw/compressed"
    one = choose(LAYOUT, surveyed(raw[1], topic("/left/image_raw/compressed", jpeg)))
    assert sorted(len(one[name]) for name in ("front", "hand")) == [0, 2]


def test_two_arms_are_two_of_each():
    topics = [topic(f"/{arm}/pose", pose) for arm in ("left", "right")]
    surveys = surveyed(*topics, topic("/left/color/image_raw", colour))
    layout = found_layout(surveys)
    assert layout.sensed == ("left", "left_pose", "right_pose")
    chosen = {name: found[0].topic for name, found in choose(layout, surveys).items()}
    assert chosen["left_pose"] == "/left/pose" and chosen["right_pose"] == "/right/pose"


def test_joints_stand_in_where_no_pose_is_there():
    layout = found_layout(surveyed(topic("/joint_states", joints([*ARM, *KNUCKLES], 0.7))))
    assert layout.sensed == ("gripper", "joint_position")
    assert layout.signals["joint_position"].width == len(ARM)


@pytest.mark.parametrize("seed", range(20))
def test_an_arm_and_a_pad_that_both_publish_joints_are_told_apart(seed):
    """Whatever topics and joints are called, and however many there are."""
    random = np.random.default_rng(seed)
    arm = random.choice(["/arm/joint_states", "/sd7/state", "/z/joints", "/a"])
    pad = random.choice(["/grip_pad/cells", "/tactile", "/left/taxels", "/z_pad"])
    axes, cells = (
        [f"{word}_{k}" for k in range(random.integers(2, 9))] for word in ("axis", "cell")
    )
    topics = [topic(arm, joints(axes)), topic(pad, joints(cells))]
    surveys = surveyed(*random.permutation(np.array(topics, object)))
    layout = found_layout(surveys)
    assert {name: layout.signals[name].width for name in layout.sensed} == {
        "tactile": len(cells),
        "joint_position": len(axes),
    }
    chosen = {name: found[0] for name, found in choose(layout, surveys).items()}
    assert chosen["tactile"].topic == pad and chosen["joint_position"].topic == arm
    assert all(each.is_usable for each in chosen.values())


def test_nothing_that_can_be_used_is_no_layout():
    assert found_layout(surveyed(topic("/chat", unstamped("std_msgs/msg/String", "x")))) is None
    assert found_layout({}) is None


@pytest.mark.parametrize(
    "name,camera",
    [
        ("/camera/color/image_raw", "camera"),
        ("/camera_left/color/image_raw/compressed", "camera_left"),
        ("/arm/left/rgb/image_rect_color", "arm_left"),
        ("/image", "camera"),
        ("/gripper/image_raw", "gripper_camera"),
        ("/audio/image_raw", "camera_audio"),
    ],
)
def test_a_camera_is_called_as_its_topic_tells(name, camera):
    assert camera_name(name) == camera
    assert SensorLayout((camera,), False, ()).cameras == (camera,)
    TopicMap({camera: name}, (), camera)
