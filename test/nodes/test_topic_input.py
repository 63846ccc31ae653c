# SPDX-License-Identifier: Apache-2.0
"""Topics are subscribed as they are offered, drained without an executor, losses counted."""

from __future__ import annotations

import random
import time
from functools import partial
from types import SimpleNamespace

import pytest
from geometry_msgs.msg import WrenchStamped
from harness import PATIENCE_S, spin_until
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.subscription import RCLError
from std_msgs.msg import String

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.messages.signals import WRENCH
from m2r2_ros.messages.types import THEORA, check_type
from m2r2_ros.nodes.topic_input import TopicInput

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


@pytest.fixture
def topic(request):
    return f"/{request.node.name.split('[')[0]}"


def offer(node, topic, reliability=RELIABLE, kind=WrenchStamped, depth=1000, **more):
    qos = QoSProfile(depth=depth, reliability=reliability, **more)
    return node.create_publisher(kind, topic, qos)


def listen(node, topic, depth=1000, **options):
    return TopicInput(
        node, topic, partial(check_type, REASSEMBLE_LAYOUT, "wrench"), depth, **options
    )


def follow(node, source, publisher):
    spin_until(node, source.follow, "a subscription")
    spin_until(node, publisher.get_subscription_count, "the publisher to know it")


def wrench(number):
    message = WrenchStamped()
    message.header.stamp.sec = number
    # With three letters the numbers that follow are aligned: what fills a gap is whatever lay in
    # memory, and these messages are compared as bytes.
    message.header.frame_id = "tcp"
    return message


@pytest.mark.parametrize("reliability", [RELIABLE, BEST_EFFORT])
def test_takes_every_message_as_its_bytes_without_spinning(node, topic, reliability):
    publisher = offer(node, topic, reliability)
    source = listen(node, topic)
    follow(node, source, publisher)
    for number in range(200):
        publisher.publish(wrench(number))
    taken = []
    while len(taken) < 200:
        taken += source.take()
    assert taken == [serialize_message(wrench(number)) for number in range(200)]
    assert (source.received, source.lost, source.type_name) == (200, 0, WRENCH)
    source.close()
    assert source.take() == []


def test_takes_what_had_come_by_a_moment_and_keeps_the_rest(node, topic):
    publisher = offer(node, topic)
    source = listen(node, topic)
    follow(node, source, publisher)
    moments = [time.time_ns()]
    for number in range(4):
        publisher.publish(wrench(number))
        time.sleep(0.02)  # The middleware's stamps and ours are readings of one clock.
        moments.append(time.time_ns())
    expected = [serialize_message(wrench(number)) for number in range(4)]
    assert source.take(moments[0]) == []
    assert source.take(moments[2]) == expected[:2]
    assert source.take(moments[2]) == []
    assert source.take(moments[3]) == expected[2:3]
    # A clock that was set back by an hour holds nothing back.
    assert source.take(moments[0] - 3_600_000_000_000) == expected[3:]


def test_what_was_fetched_is_taken_later_in_order_and_counted_once(node, topic):
    publisher = offer(node, topic)
    source = listen(node, topic)
    follow(node, source, publisher)
    for number in range(6):
        publisher.publish(wrench(number))
        while source.received <= number < 4:
            source.fetch()
    assert source.received == 4
    taken = []
    while len(taken) < 6:
        taken += source.take()
    assert taken == [serialize_message(wrench(number)) for number in range(6)]
    assert (source.received, source.lost) == (6, 0)


def test_at_most_so_many_wait_here_and_the_rest_in_the_middleware(node, topic):
    publisher = offer(node, topic)
    source = listen(node, topic, depth=5)
    follow(node, source, publisher)
    for number in range(5):
        publisher.publish(wrench(number))
    while source.received < 5:
        source.fetch()
    for number in range(5, 8):
        publisher.publish(wrench(number))
    assert publisher.wait_for_all_acked(Duration(seconds=PATIENCE_S))
    source.fetch()
    assert source.received == 5
    expected = [serialize_message(wrench(number)) for number in range(8)]
    assert source.take() == expected[:5]
    assert source.take() == expected[5:]
    assert source.lost == 0


def test_counts_what_a_full_queue_lost(node, topic):
    publisher = offer(node, topic)
    source = listen(node, topic, depth=5)
    follow(node, source, publisher)
    publisher.publish(wrench(0))
    assert len(source.take()) == 1
    for number in range(1, 21):
        publisher.publish(wrench(number))
    assert len(source.take()) == 5
    assert source.lost == 15


def test_the_executor_brings_reference_messages_and_take_gets_them(node, topic):
    publisher = offer(node, topic)
    arrivals = []
    source = listen(node, topic, on_arrival=lambda it: arrivals.append((it, source.take())))
    follow(node, source, publisher)
    publisher.publish(wrench(0))
    spin_until(node, lambda: arrivals, "the callback")
    message = serialize_message(wrench(0))
    assert arrivals == [(message, [message])]


def test_drained_topics_do_not_wake_the_executor(node, topic):
    publisher = offer(node, topic)
    source = listen(node, topic)
    follow(node, source, publisher)
    (subscription,) = [s for s in node.subscriptions if s.topic_name == topic]
    assert not subscription.callback_group.can_execute(subscription)


def test_follows_a_publisher_that_comes_back_with_another_quality_of_service(node, topic):
    first = offer(node, topic, RELIABLE)
    source = listen(node, topic)
    follow(node, source, first)
    assert not source.follow()
    first.publish(wrench(1))
    node.destroy_publisher(first)
    second = offer(node, topic, BEST_EFFORT)
    follow(node, source, second)
    second.publish(wrench(2))
    taken = []
    while len(taken) < 2:
        taken += source.take()
    # What had come before is not lost with the old subscription.
    assert taken == [serialize_message(wrench(1)), serialize_message(wrench(2))]


def test_a_publisher_that_keeps_its_messages_is_heard_too(node, topic):
    publisher = offer(node, topic, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    source = listen(node, topic)
    follow(node, source, publisher)
    publisher.publish(wrench(1))
    taken = []
    while not taken:
        taken = source.take()
    assert taken == [serialize_message(wrench(1))]


def test_an_override_that_can_never_connect_is_named(ros, topic):
    name = f"qos_overrides.{topic}.subscription.reliability"
    node = ros.create_node("other", parameter_overrides=[Parameter(name, value="reliable")])
    try:
        offer(node, topic, BEST_EFFORT)
        source = listen(node, topic)
        expected = f"{topic}: is published best effort, but qos_overrides ask for reliable"
        spin_until(node, lambda: source.follow() or source.problem == expected, "the reason")
        assert source.type_name == ""
    finally:
        node.destroy_node()


def test_overrides_win_over_what_is_found(ros, topic):
    name = f"qos_overrides.{topic}.subscription.reliability"
    node = ros.create_node("other", parameter_overrides=[Parameter(name, value="best_effort")])
    try:
        publisher = offer(node, topic, RELIABLE)
        source = listen(node, topic)
        follow(node, source, publisher)
        (subscription,) = [s for s in node.subscriptions if s.topic_name == topic]
        assert subscription.qos_profile.reliability == BEST_EFFORT
    finally:
        node.destroy_node()


def test_a_topic_that_the_policy_denies_is_said_and_not_tried_again(node, topic, monkeypatch):
    tried = []

    def deny(*arguments, **options):
        tried.append(arguments[1])
        raise RCLError("Failed to create subscription: not allowed, at /source/rcl.c:1")

    source = listen(node, topic)
    offer(node, topic)
    with monkeypatch.context() as patch:
        patch.setattr(node, "create_subscription", deny)
        spin_until(node, lambda: source.follow() or tried, "the attempt")
        for _ in range(3):
            assert not source.follow()
        assert tried == [topic]
        expected = "not in the SROS 2 policy, or no valid name (Failed to create subscription: "
        assert source.problem.startswith(f"{topic}: {expected}")
        assert source.type_name == "" and source.take() == []
        source.close()
    spin_until(node, source.follow, "a subscription after a new start")
    assert source.problem == ""


def test_says_why_nothing_can_come(node, topic):
    source = listen(node, topic)
    assert not source.follow()
    assert source.problem == f"no publisher on {topic}"
    offer(node, topic, kind=String)
    spin_until(node, lambda: source.follow() or "needs" in source.problem, "the type to be known")
    assert source.problem.startswith(
        f"{topic}: 'wrench' needs {WRENCH}, not std_msgs/msg/String; signals.wrench.fields says"
    )


@pytest.mark.parametrize(
    "kinds", [("std_msgs/msg/String", WRENCH), (WRENCH, "std_msgs/msg/String")]
)
def test_of_two_types_on_a_topic_the_one_that_can_be_read_is_and_the_other_said(
    node, topic, monkeypatch, kinds
):
    found = [SimpleNamespace(topic_type=kind, qos_profile=QoSProfile(depth=1)) for kind in kinds]
    monkeypatch.setattr(node, "get_publishers_info_by_topic", lambda name: found)
    source = listen(node, topic)
    assert source.follow() and source.type_name == WRENCH
    said = f"{topic} is published as std_msgs/msg/String, too: only {WRENCH} is read"
    assert source.notice == said and source.problem == ""
    del found[kinds.index("std_msgs/msg/String")]
    assert not source.follow() and source.notice == ""


def refused(node, topic, monkeypatch, sensor, kind):
    """The line about a type that is not installed here: the graph is told of it."""
    found = SimpleNamespace(topic_type=kind)
    monkeypatch.setattr(node, "get_publishers_info_by_topic", lambda name: [found])
    source = TopicInput(node, topic, partial(check_type, REASSEMBLE_LAYOUT, sensor), 10)
    assert not source.follow() and not source.type_name
    assert source.problem.startswith(f"{topic}: '{sensor}' needs ") and kind in source.problem
    return source.problem


def test_a_topic_of_an_action_is_refused(node, topic, monkeypatch):
    kind = "control_msgs/action/GripperCommand_FeedbackMessage"
    refused(node, topic, monkeypatch, "gripper", kind)


def test_theora_is_refused_with_a_remedy(node, topic, monkeypatch):
    line = refused(node, topic, monkeypatch, REASSEMBLE_LAYOUT.cameras[0], THEORA)
    assert line.endswith("; let its driver send `compressed`")


def large(number):
    return String(data=f"{number:06}" + "x" * 100_000)


def taken_until(source, done):
    """Messages taken until `done` of them all."""
    taken = []
    deadline = time.monotonic() + PATIENCE_S
    while not done(taken):
        assert time.monotonic() < deadline, f"waited in vain after {len(taken)} messages"
        taken += source.take()
        time.sleep(0.002)
    return taken


def test_large_messages_wait_in_few_and_what_is_lost_for_it_is_counted(node, topic):
    publisher = offer(node, topic, kind=String, depth=100)
    # Two of them in the middleware, and as many here.
    source = TopicInput(node, topic, lambda kind: None, 50, max_bytes=4 * 101_000)
    follow(node, source, publisher)
    publisher.publish(large(0))
    taken_until(source, len)
    assert not source.is_too_deep
    spin_until(node, publisher.get_subscription_count, "the publisher to know the new one")
    for number in range(1, 21):
        publisher.publish(large(number))
    assert publisher.wait_for_all_acked(Duration(seconds=PATIENCE_S))
    last = serialize_message(large(20))
    assert len(taken_until(source, lambda taken: last in taken)) <= 4
    assert source.received + source.lost == 21


@pytest.mark.parametrize("seed", range(10))
def test_what_waits_here_never_takes_more_than_its_bytes(node, topic, seed):
    publisher = offer(node, topic, kind=String, depth=100)
    source = TopicInput(node, topic, lambda kind: None, 50, max_bytes=60_000)
    follow(node, source, publisher)
    sizes = random.Random(seed).choices((10, 1_000, 9_000), k=30)
    for size in sizes:
        publisher.publish(String(data="x" * size))
        source.fetch()
        # One message may be over: its size is known when it is here.
        assert source._waiting_bytes <= 30_000 + max(sizes) + 20
    taken_until(source, lambda taken: not source.is_too_deep)
    spin_until(node, publisher.get_subscription_count, "the publisher to know the new one")
    # What comes after a loss tells of it.
    publisher.publish(String(data="end"))
    taken_until(source, lambda taken: source.received + source.lost == len(sizes) + 1)
    source.close()
    assert source._waiting_bytes == 0
