# SPDX-License-Identifier: Apache-2.0
"""The action AwaitAction over DDS: several goals, cancellation, timeouts, restarts, lifecycle."""

from __future__ import annotations

import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from fake_segmenter import FakeSegmenter
from harness import Planner, change_state, node_program, spin_until, started
from rclpy.action import ActionClient

from m2r2_msgs.action import AwaitAction
from m2r2_ros.nodes.topics import AWAIT_ACTION

START, END = AwaitAction.Goal.START, AwaitAction.Goal.END
Result = AwaitAction.Result


class Goals:
    """A client of the action on the test's node."""

    def __init__(self, node):
        self._node = node
        self._client = ActionClient(node, AwaitAction, AWAIT_ACTION)
        self.feedback = []

    def ready(self):
        spin_until(self._node, self._client.server_is_ready, "the action server")

    def send(self, action, object="", until=START, timeout_s=0.0):
        """The handle of an accepted goal, and the future of its result."""
        nanoseconds = round(timeout_s * 1e9)
        timeout = Duration(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
        goal = AwaitAction.Goal(action=action, object=object, until=until, timeout=timeout)
        sent = self._client.send_goal_async(goal, feedback_callback=self.feedback.append)
        spin_until(self._node, sent.done, "an answer to a goal")
        handle = sent.result()
        return handle, handle.get_result_async() if handle.accepted else None

    def result(self, pending):
        """(status, reason, label, message) of a goal that ends."""
        spin_until(self._node, pending.done, "a result")
        answer = pending.result()
        result = answer.result
        return answer.status, result.reason, result.segment.label, result.message

    def close(self):
        self._client.destroy()


@pytest.fixture
def goals(node):
    goals = Goals(node)
    yield goals
    goals.close()


@pytest.fixture(scope="module")
def server(ros, tmp_path_factory):
    """The node as a program, for all tests of this file."""
    node = ros.create_node("watcher")
    program = node_program(tmp_path_factory.mktemp("await"), "await_server")
    with started(node, Planner(node), program, "await_server"):
        yield program
    node.destroy_node()


def test_goals_do_not_disturb_one_another(node, server, goals):
    goals.ready()
    segmenter = FakeSegmenter(node)
    segmenter.await_hearers()
    segmenter.start("insert", "USB")
    expected = (GoalStatus.STATUS_SUCCEEDED, Result.REACHED, "insert USB", "")
    assert goals.result(goals.send("insert", "USB")[1]) == expected
    _, end = goals.send("insert", "USB", END)
    _, later = goals.send("pick")
    canceled, canceling = goals.send("pick")
    _, short = goals.send("pick", timeout_s=0.3)
    status, reason, _, message = goals.result(short)
    assert (status, reason) == (GoalStatus.STATUS_ABORTED, Result.TIMED_OUT)
    assert "the start of 'pick' has not come within 0.3 s" in message
    spin_until(node, canceled.cancel_goal_async().done, "an answer to the cancellation")
    assert goals.result(canceling)[:2] == (GoalStatus.STATUS_CANCELED, Result.CANCELED)
    assert not end.done() and not later.done()
    ended = segmenter.end()
    assert goals.result(end)[0] == GoalStatus.STATUS_SUCCEEDED
    assert end.result().result.segment.end_time.nanosec == ended.end_ns % 10**9
    segmenter.delivered()
    segmenter.start("pick", "peg")
    assert goals.result(later)[2] == "pick peg"
    labels = {feedback.feedback.segment.label for feedback in goals.feedback}
    assert "insert USB" in labels
    segmenter.die()


def test_goals_outlive_the_segmenter(node, server, goals):
    goals.ready()
    first = FakeSegmenter(node)
    first.await_hearers()
    first.start("insert", "USB")
    # To the server this one is another than that of the last test.
    spin_until(node, lambda: goals.result(goals.send("insert")[1])[1] == Result.REACHED, "news")
    _, waiting = goals.send("pick")
    first.die()
    second = FakeSegmenter(node)
    second.await_hearers()
    second.start()
    status, reason, _, message = goals.result(waiting)
    assert (status, reason) == (GoalStatus.STATUS_ABORTED, Result.STALE)
    assert "started anew" in message
    second.die()


def test_what_no_goal_can_be_is_rejected(node, server, goals):
    goals.ready()
    assert not goals.send("")[0].accepted
    assert not goals.send("insert", until=7)[0].accepted
    spin_until(node, lambda: "a goal is rejected: it needs" in server.output, "the log")


def test_a_deactivated_server_lets_its_goals_go(node, server, goals):
    goals.ready()
    _, waiting = goals.send("wait")
    assert change_state(node, "await_server", "deactivate")
    assert goals.result(waiting)[:2] == (GoalStatus.STATUS_ABORTED, Result.STOPPED)
    assert not goals.send("insert")[0].accepted
    assert change_state(node, "await_server", "cleanup")
    assert change_state(node, "await_server", "configure")
    assert change_state(node, "await_server", "activate")
    goals.ready()
    # At the end of the process, too.
    _, waiting = goals.send("wait")
    server.process.send_signal(2)
    assert goals.result(waiting)[:2] == (GoalStatus.STATUS_ABORTED, Result.STOPPED)
    assert server.end() == 0, server.output
    assert "Traceback" not in server.output
