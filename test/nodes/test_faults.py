# SPDX-License-Identifier: Apache-2.0
"""Whatever the sensors do: segments go on, the diagnostics say what is wrong, and it is counted.

One chain of nodes lives through all of it, as it has to on a robot.
"""

from __future__ import annotations

import os
import time
from array import array
from ast import literal_eval

import pytest
from harness import STATIONS, Planner, check_ids, node_program, started
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from robot import SECOND, TOPICS, Robot, image, set_stamp, stamp_of

from m2r2_msgs.msg import ActionSegment, AudioChunk
from m2r2_ros.inference.segment_events import SegmentStatus


@pytest.fixture(scope="module")
def chain(ros, models, tmp_path_factory):
    """The nodes under a robot that has no gripper yet."""
    folder = tmp_path_factory.mktemp("chain")
    values = {
        "models": models,
        "silence_warning_s": 0.5,
        "heartbeat_s": 0.3,
        **{f"topics.{name}": topic for name, topic in TOPICS.items()},
    }
    node = ros.create_node(f"faults_{os.getpid()}")
    planner = Planner(node)
    robot = Robot(node, absent=["gripper"])
    with started(node, planner, node_program(folder, "online", values), *STATIONS) as online:
        robot.run_until(lambda: planner.frames[5:], "the first windows")
        chain = Chain(robot, planner, online)
        chain.get_a_gripper()
        yield chain
        # Whatever was done to it, what was published kept to the protocol.
        assert check_ids(planner.events)
        assert online.interrupt() == 0, online.output
        assert "Traceback" not in online.output
    node.destroy_node()


class Chain:
    def __init__(self, robot, planner, online):
        self.robot, self.planner, self.online = robot, planner, online

    def get_a_gripper(self):
        """Before all tests, whatever their order: only once has a topic never appeared."""
        self.until(lambda: self.says(f"no publisher on {TOPICS['gripper']}"), "the warning")
        self.until(lambda: self.count("gripper.masked") > 0, "the count")
        self.without_gripper = self.count("gripper.masked")
        self.segments_flow()
        assert not self.planner.frames[-1].probabilities.sum() < 0.99
        self.robot.appear("gripper")

    def count(self, key, node="synchronizer"):
        return int(self.planner.value(node, key) or 0)

    def rejected(self, name, reason):
        text = self.planner.value("synchronizer", f"{name}.rejected") or "{}"
        return literal_eval(text).get(reason, 0)

    def says(self, text, node="synchronizer"):
        return self.planner.heard(node) and text in self.planner.statuses[node].message

    def until(self, done, what):
        try:
            self.robot.run_until(done, what)
        except AssertionError as error:
            status = self.planner.statuses.get("synchronizer")
            values = {v.key: v.value for v in status.values if v.value} if status else {}
            raise AssertionError(f"{error}; {status and status.message}; {values}") from error

    def segments_flow(self):
        """New predictions come, and the planner hears of a segment."""
        frames, events = len(self.planner.frames), len(self.planner.events)
        self.until(lambda: len(self.planner.frames) > frames + 3, "predictions")
        self.until(lambda: len(self.planner.events) > events, "news of a segment")

    def is_well(self):
        """All sensors are in use again."""
        self.robot.fault = lambda name, message: [message]
        self.until(lambda: self.planner.value("synchronizer", "masked") == "", "nothing masked")
        self.segments_flow()


def only(name, change):
    """A fault of one modality: `change(message)` gives what goes out."""
    return lambda which, message: change(message) if which == name else [message]


def test_a_topic_that_never_appeared_and_then_does(chain):
    """See `get_a_gripper`."""
    assert chain.without_gripper > 0
    chain.is_well()
    chain.until(lambda: not chain.says("no publisher"), "the all-clear")


def joined(count):
    """So many messages of audio become one, sent when the last is there."""
    waiting = []

    def change(message):
        waiting.append(message)
        if len(waiting) < count:
            return []
        samples = sum((part.samples for part in waiting), array("f"))
        whole = AudioChunk(header=waiting[0].header, sample_rate=16_000, channels=1)
        whole.samples = samples
        waiting.clear()
        return [whole]

    return change


@pytest.mark.parametrize("length_ms", [300, 500])
def test_a_microphone_with_long_messages_is_waited_for(chain, length_ms):
    chain.robot.fault = only("audio", joined(length_ms // 20))
    seen = {"masked": -1, "windows": 0}

    def heard_throughout():
        """20 windows in a row have sound; a busy machine may have to try again."""
        masked, windows = chain.count("audio.masked"), chain.count("windows")
        if masked != seen["masked"]:
            seen.update(masked=masked, windows=windows)
        return windows - seen["windows"] >= 20

    chain.until(heard_throughout, "windows with sound")
    chain.is_well()


def test_a_microphone_with_messages_that_are_too_long_is_masked_by_name(chain):
    chain.robot.fault = only("audio", joined(50))
    chain.until(lambda: chain.says("max_audio_chunk_s"), "the reason")
    assert chain.rejected("audio", "long") > 0
    chain.is_well()


@pytest.mark.parametrize("name", ["wrench", "audio"])
def test_a_topic_that_stops_and_returns(chain, name):
    gaps = chain.count(f"{name}.gaps")
    chain.robot.fault = only(name, lambda message: [])
    chain.until(lambda: chain.says(f"{TOPICS[name]} has been silent"), "the warning")
    assert name in chain.planner.value("synchronizer", "masked")
    chain.segments_flow()
    chain.is_well()
    chain.until(lambda: chain.count(f"{name}.gaps") > gaps, "the count")


def test_a_reference_camera_that_stops(chain):
    gap_windows = chain.count("gap_windows")
    chain.robot.fault = only("hama1", lambda message: [])
    chain.until(lambda: chain.count("gap_windows") > gap_windows, "windows without it")
    chain.until(lambda: chain.says("hama1 is masked"), "the warning")
    chain.segments_flow()
    chain.is_well()


def test_a_topic_at_twice_its_rate(chain):
    lost = chain.count("pose.lost")

    def twice(message):
        other = set_stamp(type(message)(header=message.header), stamp_of(message) + SECOND // 200)
        other.header.frame_id = message.header.frame_id
        return [set_stamp(message, stamp_of(message) - SECOND // 200), other]

    chain.robot.fault = only("pose", twice)
    chain.until(
        lambda: float(chain.planner.value("synchronizer", "pose.rate_hz")) > 140, "the rate"
    )
    chain.segments_flow()
    assert chain.count("pose.lost") == lost
    assert "pose" not in chain.planner.value("synchronizer", "masked")
    chain.is_well()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9])
def test_values_that_are_no_measurement(chain, value):
    reason = "range" if value == 1e9 else "nan"
    before = chain.rejected("wrench", reason)

    def spoil(message):
        message.wrench.force.x = value
        return [message]

    chain.robot.fault = only("wrench", spoil)
    chain.until(lambda: chain.says("wrench is masked"), "the warning")
    chain.until(lambda: chain.rejected("wrench", reason) > before, "the count")
    chain.segments_flow()
    chain.is_well()


def in_another_frame(message):
    message.header.frame_id = "elsewhere"
    return [message]


def of_another_size(message):
    other = image(48, 64)
    other.header = message.header
    return [other]


def in_another_encoding(message):
    other = image(24, 32, "mono8", 1)
    other.header = message.header
    return [other]


@pytest.mark.parametrize(
    ("name", "change", "now"),
    [
        ("wrench", in_another_frame, "frame 'wrench' has become frame 'elsewhere'"),
        ("hama1", of_another_size, "has become 64 x 48 rgb8"),
        ("hama2", in_another_encoding, "has become 32 x 24 mono8"),
    ],
)
def test_a_sensor_that_is_another_one_now(chain, name, change, now):
    changes = chain.count(f"{name}.form_changes")
    chain.robot.fault = only(name, change)
    chain.until(lambda: chain.says(now), "the warning")
    assert chain.count(f"{name}.form_changes") == changes + 1
    chain.segments_flow()
    # It is another sensor, not a broken one.
    assert name not in chain.planner.value("synchronizer", "masked")
    chain.is_well()
    chain.until(lambda: not chain.says("has become"), "the all-clear")
    assert chain.count(f"{name}.form_changes") == changes + 2


def test_an_encoding_that_cannot_be_read(chain):
    before = chain.rejected("hama1", "undecodable")

    def unknown(message):
        message.encoding = "nonsense"
        return [message]

    chain.robot.fault = only("hama1", unknown)
    chain.until(lambda: chain.rejected("hama1", "undecodable") > before, "the count")
    chain.until(lambda: chain.says("hama1 is masked: encoding 'nonsense' needs"), "the warning")
    chain.segments_flow()
    assert chain.online.output.count("hama1 is masked: encoding 'nonsense' needs") == 1
    chain.is_well()


def without_joints(message):
    message.name = ["other", "others"]
    return [message]


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("gripper", without_joints, "no joint 'panda_finger_joint1'"),
        ("twist", lambda message: [set_stamp(message, 0)], "stamps are zero"),
    ],
)
def test_why_a_sensor_cannot_be_used_is_said_once(chain, name, change, reason):
    chain.robot.fault = only(name, change)
    chain.until(lambda: chain.says(f"{name} is masked: {reason}"), "the reason")
    chain.segments_flow()
    assert chain.planner.value("synchronizer", f"{name}.reason").startswith(reason)
    assert chain.online.output.count(f"{name} is masked: {reason}") == 1
    chain.is_well()
    assert chain.planner.value("synchronizer", f"{name}.reason") == ""


def swapped():
    held = []

    def swap(message):
        held.append(message)
        if len(held) < 2:
            return []
        pair = held[::-1]
        held.clear()
        return pair

    return swap


STAMPS = {
    "out of order": (swapped(), lambda c: c.count("pose.out_of_order")),
    "twice": (lambda message: [message, message], lambda c: c.count("pose.duplicate")),
    "zero": (lambda message: [set_stamp(message, 0)], lambda c: c.rejected("pose", "past")),
    "from the future": (
        lambda message: [set_stamp(message, stamp_of(message) + 3600 * SECOND)],
        lambda c: c.rejected("pose", "future"),
    ),
    "10 s behind": (
        lambda message: [set_stamp(message, stamp_of(message) - 10 * SECOND)],
        lambda c: c.rejected("pose", "past"),
    ),
    "10 s ahead": (
        lambda message: [set_stamp(message, stamp_of(message) + 10 * SECOND)],
        lambda c: c.rejected("pose", "future"),
    ),
}


@pytest.mark.parametrize("case", STAMPS)
def test_stamps_that_are_wrong(chain, case):
    change, count = STAMPS[case]
    before, resets = count(chain), chain.count("resets")
    chain.robot.fault = only("pose", change)
    chain.until(lambda: count(chain) > before, "the count")
    if case not in ("out of order", "twice"):
        chain.until(lambda: chain.says("pose is masked"), "the warning")
    chain.segments_flow()
    # One stream alone does not turn back time.
    assert chain.count("resets") == resets
    chain.is_well()


@pytest.mark.parametrize("seconds", [-100, 100])
def test_time_that_jumps_for_all(chain, seconds):
    resets = chain.count("resets")
    ended = len([e for e in chain.planner.events if e.status == SegmentStatus.ENDED])
    chain.robot.shift_ns += seconds * SECOND
    chain.until(lambda: chain.count("resets") == resets + 1, "the count")
    chain.segments_flow()
    events = chain.planner.events
    assert len([e for e in events if e.status == SegmentStatus.ENDED]) > ended
    assert "time has jumped" in chain.online.output
    chain.is_well()


def test_a_publisher_that_returns_with_another_quality_of_service(chain):
    chain.robot.disappear("twist")
    chain.until(lambda: chain.says("twist"), "the warning")
    chain.robot.appear("twist", ReliabilityPolicy.BEST_EFFORT)
    chain.is_well()
    assert chain.count("twist.messages") > 0


@pytest.mark.parametrize("reliability", [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
def test_a_planner_that_asks_for_less_hears_the_segments(chain, reliability):
    """What it asks for, volatile and perhaps best effort, is less than what is offered."""
    heard = []
    node = chain.robot.node
    qos = QoSProfile(depth=10, reliability=reliability, durability=DurabilityPolicy.VOLATILE)
    subscription = node.create_subscription(ActionSegment, "/action_segment", heard.append, qos)
    chain.until(lambda: heard, "a segment")
    node.destroy_subscription(subscription)


def test_simulated_time_without_a_clock(chain):
    def follow(simulated):
        client = chain.robot.node.create_client(SetParameters, "/synchronizer/set_parameters")
        value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=simulated)
        request = SetParameters.Request(parameters=[Parameter(name="use_sim_time", value=value)])
        chain.until(client.service_is_ready, "the service")
        answer = client.call_async(request)
        chain.until(answer.done, "the answer")
        assert answer.result().results[0].successful
        chain.robot.node.destroy_client(client)

    follow(True)
    chain.until(lambda: chain.says("nothing has come on /clock"), "the warning")
    chain.segments_flow()
    follow(False)
    chain.until(lambda: not chain.says("/clock"), "the all-clear")
    chain.is_well()


def test_all_sensors_gone(chain):
    """The planner must not wait for ever for the end of what was going on."""
    planner = chain.planner
    chain.robot.fault = lambda name, message: []
    chain.until(lambda: chain.says("nothing has come", "segmenter"), "the warning")
    assert planner.events[-1].status == SegmentStatus.ENDED
    assert chain.count("silences", "segmenter") == 1
    chain.is_well()


def test_parameters_that_can_change_at_run_time(chain):
    node = chain.robot.node

    def answer(station, name, value):
        client = node.create_client(SetParameters, f"/{station}/set_parameters")
        entry = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        chain.until(client.service_is_ready, "the service")
        future = client.call_async(
            SetParameters.Request(parameters=[Parameter(name=name, value=entry)])
        )
        chain.until(future.done, "the answer")
        node.destroy_client(client)
        return future.result().results[0]

    assert answer("segmenter", "heartbeat_s", 3600.0).successful
    events = len(chain.planner.events)
    began = time.monotonic()
    chain.until(lambda: time.monotonic() > began + 1.0, "some time")
    beats = chain.planner.events[events:]
    assert sum(event.status == SegmentStatus.ONGOING for event in beats) <= 1
    assert answer("segmenter", "heartbeat_s", 0.3).successful
    refused = answer("segmenter", "heartbeat_s", -1.0)
    assert not refused.successful
    refused = answer("synchronizer", "max_wait_s", 0.2)
    assert not refused.successful
    assert "is read in 'configure'" in refused.reason
    chain.is_well()
