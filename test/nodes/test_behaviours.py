# SPDX-License-Identifier: Apache-2.0
"""Behaviours of py_trees over DDS: right at the first tick, never wrong about what is unseen."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fake_segmenter import FakeSegmenter
from harness import spin_until

from m2r2_ros.client import ActionOutcome, SegmentClient, Until
from m2r2_ros.errors import M2R2Error

py_trees = pytest.importorskip("py_trees")

from m2r2_ros.client.behaviours import HasSucceeded, IsDoing, WaitForAction  # noqa: E402

SUCCESS, FAILURE = py_trees.common.Status.SUCCESS, py_trees.common.Status.FAILURE
RUNNING = py_trees.common.Status.RUNNING


@pytest.fixture
def client(node):
    client = SegmentClient(node)
    yield client
    client.close()


@pytest.fixture
def segmenter(ros):
    node = ros.create_node("fake_segmenter")
    yield FakeSegmenter(node)
    node.destroy_node()


def tick(behaviour):
    behaviour.tick_once()
    return behaviour.status


def hear(node, client, event):
    spin_until(node, lambda: client.heard == event, "the event")


def test_the_first_tick_knows_what_was_published_before(segmenter, client):
    segmenter.start("insert", "USB")
    tree = py_trees.composites.Parallel(
        "all",
        py_trees.common.ParallelPolicy.SuccessOnAll(),
        [
            IsDoing("doing?", client, "insert", "USB"),
            WaitForAction("wait", client, "insert"),
            py_trees.decorators.Inverter("not", IsDoing("picking?", client, "pick")),
        ],
    )
    py_trees.trees.BehaviourTree(tree).setup()
    assert tick(tree) == SUCCESS, py_trees.display.unicode_tree(tree, show_status=True)


def test_what_nobody_can_tell_is_neither_so_nor_not_so(node, segmenter, client):
    doing = IsDoing("doing?", client, "insert", max_age=0.2)
    unseen = py_trees.decorators.Inverter("not", doing)
    assert tick(unseen) == RUNNING and "nothing has been heard" in doing.feedback_message
    segmenter.await_hearers()
    hear(node, client, segmenter.start("insert"))
    assert tick(doing) == SUCCESS and tick(unseen) == FAILURE
    hear(node, client, segmenter.go_on(stamp_ns=segmenter.now_ns - 10**9))
    assert tick(unseen) == RUNNING and "silent" in doing.feedback_message
    segmenter.end()
    hear(node, client, segmenter.start("pick"))
    assert tick(doing) == FAILURE


def test_waiting_ends_by_what_it_waits_for_or_fails(node, segmenter, client):
    segmenter.await_hearers()
    start = WaitForAction("start", client, "insert", "USB")
    end = WaitForAction("end", client, "insert", until=Until.END)
    short = WaitForAction("short", client, "insert", timeout=0.0)
    assert tick(start) == tick(end) == RUNNING
    assert tick(short) == FAILURE and "within 0 s" in short.feedback_message
    hear(node, client, segmenter.start("insert"))
    assert tick(start) == RUNNING
    hear(node, client, segmenter.go_on("insert", "USB"))
    assert tick(start) == SUCCESS and tick(end) == RUNNING
    hear(node, client, segmenter.end())
    assert tick(end) == SUCCESS
    again = WaitForAction("again", client, "insert")
    assert tick(again) == RUNNING
    segmenter.die()
    hear(node, client, FakeSegmenter(node).start("insert"))
    assert tick(again) == FAILURE and "started anew" in again.feedback_message
    assert tick(again) == SUCCESS, "a new wait"
    assert not client._waits


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (ActionOutcome.SUCCESS, (SUCCESS, SUCCESS)),
        (ActionOutcome.FAILURE, (FAILURE, FAILURE)),
        (ActionOutcome.UNKNOWN, (RUNNING, SUCCESS)),
    ],
)
def test_an_outcome_is_not_invented(node, segmenter, client, outcome, expected):
    segmenter.await_hearers()
    plain = HasSucceeded("outcome", client, "insert", "USB")
    trusting = HasSucceeded("outcome", client, "insert", "USB", unknown=SUCCESS)
    assert tick(plain) == tick(trusting) == RUNNING
    hear(node, client, segmenter.start("insert", "USB"))
    assert tick(trusting) == RUNNING and "under way" in trusting.feedback_message
    hear(node, client, segmenter.end(outcome))
    hear(node, client, segmenter.start())
    assert (tick(plain), tick(trusting)) == expected
    assert outcome.name.lower() in plain.feedback_message


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (WaitForAction, {"action": ""}),
        (WaitForAction, {"action": "insert", "timeout": float("nan")}),
        (WaitForAction, {"action": "insert", "max_age": float("nan")}),
        (WaitForAction, {"action": "insert", "until": 7}),
        (IsDoing, {"action": "insert", "max_age": float("nan")}),
    ],
)
def test_what_no_tick_could_tell_is_refused_when_the_tree_is_built(client, kind, arguments):
    with pytest.raises(M2R2Error):
        kind("impossible", client, **arguments)


def test_without_py_trees_the_rest_works_and_one_line_says_so():
    program = (
        "import sys\n"
        "sys.modules['py_trees'] = None\n"
        "import m2r2_ros.client\n"
        "assert not {'onnxruntime', 'torch'} & set(sys.modules)\n"
        "try: import m2r2_ros.client.behaviours\n"
        "except m2r2_ros.errors.M2R2Error as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout == "needs the Python package 'py_trees': `pip install py_trees`\n"
