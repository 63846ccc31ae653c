# SPDX-License-Identifier: Apache-2.0
"""A planner's client over DDS: late joins, restarts, silence, and who may wait in which thread."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext

import pytest
import rclpy
from fake_segmenter import ENDED, STARTED, FakeSegmenter
from harness import PATIENCE_S, spin_until
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import (
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from m2r2_ros.client import ActionOutcome, CannotWait, SegmentClient, Stale, TimedOut, Until
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import SegmentEvent
from m2r2_ros.nodes.conversions import event_to_ros
from m2r2_ros.nodes.topics import segment_qos

EXECUTORS = {
    "single": SingleThreadedExecutor,
    "multi": lambda: MultiThreadedExecutor(num_threads=4),
}


@pytest.fixture
def other(ros):
    """The node of the segmenter."""
    node = ros.create_node("fake_segmenter")
    yield node
    node.destroy_node()


@pytest.fixture
def segmenter(other):
    return FakeSegmenter(other)


@contextmanager
def spinning(node, kind):
    """The node spun in a thread, as most programs do it."""
    executor = EXECUTORS[kind]()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    try:
        yield executor
    finally:
        executor.shutdown()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


class Waiting(threading.Thread):
    """`call` in a thread of its own, like a planner that blocks."""

    def __init__(self, client, call):
        super().__init__(daemon=True)
        self._client, self._call = client, call
        self.result = self.error = None
        before = len(client._waits)
        self.start()
        begun = threading.Event()
        while len(client._waits) == before and self.is_alive():
            begun.wait(0.005)

    def run(self):
        try:
            self.result = self._call()
        except Exception as error:
            self.error = error

    def ended(self):
        self.join(PATIENCE_S)
        assert not self.is_alive()
        return self


def test_a_plain_script_that_joins_late_knows_at_once(node, segmenter):
    """Nobody spins the node."""
    segmenter.start("insert", "USB")
    client = SegmentClient(node)
    with pytest.raises(Stale, match="nothing has been heard"):
        client.latest()
    event = client.wait_for("insert", "USB", timeout=PATIENCE_S, max_age=None)
    assert (event.status, event.label) == (STARTED, "insert USB")
    assert client.latest() == event == client.wait_for("insert", timeout=0.0)
    segmenter.end(ActionOutcome.FAILURE)
    ended = client.wait_for_end(event, timeout=PATIENCE_S)
    assert ended.outcome is ActionOutcome.FAILURE
    assert client.last_end("insert") == ended == client.wait_for_end(event)
    with pytest.raises(TimedOut, match="the latest is 'insert USB'"):
        client.wait_for("insert", "USB", 0.2)
    client.close()


@pytest.mark.parametrize("kind", EXECUTORS)
def test_waits_and_callbacks_beside_an_executor(node, segmenter, kind):
    client = SegmentClient(node)
    told, threads = [], set()

    def tell(event):
        told.append((event.status, event.label))
        threads.add(threading.get_ident())

    client.on_start(tell)
    client.on_end(tell, "insert", "USB")
    with spinning(node, kind):
        segmenter.await_hearers()
        named = Waiting(client, lambda: client.wait_for("insert", "USB", PATIENCE_S))
        either = Waiting(client, lambda: client.wait_for("insert", timeout=PATIENCE_S))
        segmenter.do("pick", "USB")
        segmenter.start("insert")
        assert either.ended().result.object == ""
        assert named.is_alive()
        segmenter.go_on("insert", "USB")
        assert named.ended().result.label == "insert USB"
        over = Waiting(client, lambda: client.wait_for("insert", "USB", until=Until.END))
        segmenter.end()
        assert over.ended().result.status == ENDED
        segmenter.do("insert", "peg")
        last = Waiting(client, lambda: client.wait_for("pick", timeout=PATIENCE_S))
        segmenter.start("pick")
        last.ended()
    labels = ["pick USB", "insert", "insert USB", "insert peg", "pick"]
    statuses = [STARTED, STARTED, ENDED, STARTED, STARTED]
    assert told == list(zip(statuses, labels, strict=True))
    assert threading.get_ident() not in threads
    assert client.restarts == client.lost == 0


def test_a_restart_and_silence_are_said(node, other, segmenter):
    client = SegmentClient(node)
    with spinning(node, "single"):
        segmenter.await_hearers()
        segmenter.start("insert", "USB")
        segmenter.delivered()
        waiting = Waiting(client, lambda: client.wait_for("pick", timeout=PATIENCE_S))
        segmenter.die()
        # It ends what its predecessor left open, as the real one does, and counts on.
        successor = FakeSegmenter(other, first_id=1)
        successor.await_hearers()
        successor.start("insert", "USB")
        assert isinstance(waiting.ended().error, Stale)
        assert "started anew" in str(waiting.error) and client.restarts == 1
        successor.end()
        successor.delivered()
        again = Waiting(client, lambda: client.wait_for("pick", timeout=PATIENCE_S))
        successor.start("pick", "peg")
        assert again.ended().result.label == "pick peg"
        with pytest.raises(Stale, match=r"/action_segment: silent for .* the start of 'insert'"):
            client.wait_for("insert", max_age=0.3)
        with pytest.raises(Stale, match="silent"):
            client.latest(max_age=0.1)
        assert client.latest(max_age=None).label == "pick peg"


@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_callback_may_wait_only_where_another_thread_hears(node, segmenter, kind):
    client = SegmentClient(node)
    found = {}

    def attempt(place):
        try:
            found[place] = client.wait_for("insert", timeout=PATIENCE_S, max_age=None).label
        except CannotWait as error:
            found[place] = str(error)

    client.on_start(lambda event: attempt("own callback"), "pick")
    timer = node.create_timer(
        0.01,
        lambda: (timer.cancel(), attempt("timer")),
        callback_group=ReentrantCallbackGroup(),
    )
    with spinning(node, kind):
        segmenter.await_hearers()
        done = threading.Event()
        if kind == "multi":
            while not client._waits:
                done.wait(0.005)
        segmenter.do("pick", "USB")
        segmenter.start("insert", "USB")
        while len(found) < 2:
            done.wait(0.005)
    assert "on_start or on_end has called" in found["own callback"]
    if kind == "multi":
        assert found["timer"] == "insert USB"
    else:
        assert "1 thread(s)" in found["timer"] and "AwaitAction" in found["timer"]


def test_an_executor_that_nobody_spins_is_named(node):
    client = SegmentClient(node)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with pytest.raises(CannotWait, match="nobody spins the executor of node"):
        client.wait_for("insert", max_age=0.2)
    executor.remove_node(node)
    with pytest.raises(Stale):
        client.wait_for("insert", max_age=0.2)
    executor.shutdown()


def test_simulated_time_rules_timeouts_and_age(ros, other):
    node = ros.create_node("planner", parameter_overrides=[Parameter("use_sim_time", value=True)])
    clock = other.create_publisher(Clock, "/clock", 10)
    segmenter, client = FakeSegmenter(other), SegmentClient(node)

    def tick(seconds):
        message = Clock()
        message.clock.sec = seconds
        clock.publish(message)

    try:
        with pytest.raises(Stale, match="nothing has been heard"):
            client.wait_for("insert", max_age=0.2)
        segmenter.await_hearers()
        segmenter.start("pick", stamp_ns=100 * 10**9)
        spin_until(node, lambda: client.heard, "the segment")
        with pytest.raises(Stale, match="nothing has come on /clock"):
            client.latest()

        def at(seconds):
            spin_until(
                node, lambda: tick(seconds) or client._now().ros_ns == seconds * 10**9, "the clock"
            )

        at(102)
        assert client.latest().label == "pick"
        pending = client.waiting("insert", timeout=50.0)
        at(40)  # The bag begins again.
        assert not pending.done()
        segmenter.go_on(stamp_ns=40 * 10**9)
        spin_until(node, lambda: client.heard.stamp_ns == 40 * 10**9, "the segment goes on")
        at(43)
        assert client.latest() and not pending.done()
        at(200)
        assert pending.done()
        with pytest.raises(TimedOut):
            pending.result()
    finally:
        node.destroy_node()


def test_a_shutdown_ends_the_wait():
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("planner", context=context)
    client = SegmentClient(node)
    waiting = Waiting(client, lambda: client.wait_for("insert", max_age=None))
    context.shutdown()
    assert isinstance(waiting.ended().error, ExternalShutdownException)
    node.destroy_node()


def test_another_definition_of_the_message_is_named(node):
    """DDS connects no two definitions of one name, and says nothing: here another type."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    other = rclpy.create_node("fake_segmenter", context=context)
    other.create_publisher(String, "action_segment", segment_qos())
    client = SegmentClient(node)
    line = r"/action_segment: /fake_segmenter has another version of m2r2_msgs/ActionSegment"
    found = lambda: node.get_publishers_info_by_topic("/action_segment")  # noqa: E731
    try:
        spin_until(node, lambda: "fake_segmenter" in {e.node_name for e in found()}, "its name")
        with pytest.raises(Stale, match=line):
            client.latest()
        with pytest.raises(Stale, match=line):
            client.wait_for("insert", max_age=0.1)
    finally:
        other.destroy_node()
        context.shutdown()


def heard(client, segment_id, status, action):
    """As if it had come over DDS."""
    stamp_ns = client._now().ros_ns
    event = SegmentEvent(
        stamp_ns, segment_id, status, action, action, "", 0, 0.5, stamp_ns, stamp_ns, 0.5
    )
    client._hear(event_to_ros(event), {})


def test_a_wait_that_nobody_holds_is_forgotten(node):
    """A planner that begins one a tick must not grow."""
    client = SegmentClient(node)
    held = client.waiting("pick")
    for _ in range(50):
        client.waiting("insert").done()
    assert len(client._waits) == 1
    heard(client, 0, STARTED, "pick")
    assert held.done() and held.result().label == "pick"


def test_a_wait_on_a_closed_client_is_told_so(node):
    client = SegmentClient(node)
    before = client.waiting("pick", max_age=None)
    client.close()
    for wait in (before, client.waiting("pick", max_age=None)):
        assert wait.done()
        with pytest.raises(Stale, match="the client was closed"):
            wait.result()


def test_a_wait_that_is_over_at_once_is_no_trouble_with_threads(node):
    """Nobody spins the node, and nobody has to."""
    client = SegmentClient(node)
    canceled = client.waiting("pick", max_age=None)
    canceled.cancel()
    assert canceled.done()
    with pytest.raises(Stale, match="it was canceled"):
        canceled.result()
    with pytest.raises(Stale, match="nothing has been heard"):
        client.wait_for("pick", max_age=0)
    client.close()
    with pytest.raises(Stale, match="the client was closed"):
        client.wait_for("pick", max_age=None)


@pytest.mark.parametrize("is_spun", [False, True])
def test_a_node_that_is_destroyed_ends_all_waits(ros, is_spun):
    node, ended = ros.create_node("short_lived"), []
    client = SegmentClient(node)
    before = client.waiting("pick", max_age=None)

    def wait():
        with pytest.raises(Stale, match="node was destroyed") as error:
            client.wait_for("pick", max_age=None)
        ended.append(error)

    with spinning(node, "single") if is_spun else nullcontext():
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        node.destroy_node()
        thread.join(PATIENCE_S)
    assert ended and before.done()
    for call in (before.result, client.latest, lambda: client.wait_for("pick")):
        with pytest.raises(Stale, match="node was destroyed"):
            call()
    client.close()


def test_who_waits_hears_for_himself_once_the_executor_is_shut_down(node, segmenter):
    client = SegmentClient(node)
    with spinning(node, "single"):
        segmenter.await_hearers()
    segmenter.start("insert", "USB")
    assert client.wait_for("insert", timeout=PATIENCE_S).label == "insert USB"


def test_a_time_that_is_no_number_is_refused(node):
    """Of a wait nothing would be over, of a message nothing recent enough."""
    client = SegmentClient(node)
    for call in (client.latest, client.wait_until_heard):
        with pytest.raises(M2R2Error, match="must be seconds or None, not NaN"):
            call(float("nan"))


def test_one_callback_that_raises_takes_no_news_from_the_others(node):
    client, told = SegmentClient(node), []
    client.on_start(lambda event: told.append(1))
    client.on_start(lambda event: {}["missing"])
    client.on_start(lambda event: told.append(3))
    with pytest.raises(KeyError, match="missing"):
        heard(client, 0, STARTED, "pick")
    assert told == [1, 3]


def test_one_planner_hears_two_robots(node, other):
    arms = [FakeSegmenter(other, f"/arm{k}/action_segment") for k in (1, 2)]
    clients = [SegmentClient(node, f"/arm{k}/action_segment") for k in (1, 2)]
    for arm in arms:
        arm.await_hearers()
    arms[0].start("insert", "USB")
    assert clients[0].wait_for("insert", timeout=PATIENCE_S).label == "insert USB"
    assert clients[1].heard is None
    arms[1].start("pick", "peg")
    assert clients[1].wait_for("pick", timeout=PATIENCE_S).label == "pick peg"
    assert clients[0].heard.label == "insert USB"
