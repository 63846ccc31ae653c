# SPDX-License-Identifier: Apache-2.0
"""The result recorder and the event recorder over DDS, beside a segmenter that is scripted."""

from __future__ import annotations

import os
import signal

import pytest
from fake_segmenter import FakeSegmenter
from harness import Planner, node_program
from rclpy.lifecycle import TransitionCallbackReturn
from robot import TOPICS, Robot

from m2r2_msgs.msg import FramePrediction
from m2r2_ros.datasets.annotations import read_segment
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.labels_file import labels_path, read_labels
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.inference.segment_events import ActionOutcome
from m2r2_ros.messages.cdr import stamp_ns
from m2r2_ros.nodes import recorder_node
from m2r2_ros.nodes.diagnostics import WARN
from m2r2_ros.nodes.result_recorder import ResultRecorder
from m2r2_ros.nodes.topics import SEGMENT_TOPIC, WINDOW_TOPIC

SECOND = 10**9
INPUTS = {f"topics.{name}": topic for name, topic in TOPICS.items()}
RESULTS = {"/action_segment", "/m2r2/frame_prediction", "/diagnostics"}


def stamps(bag):
    """Topic -> header stamps."""
    found = {}
    with open_bag(bag) as opened:
        for message in opened.messages():
            found.setdefault(message.topic, []).append(stamp_ns(message.data))
        assert not opened.problems
    return found


def test_around_a_failure_all_sensors_are_kept_with_proposals(node, tmp_path, models):
    robot, planner = Robot(node), Planner(node)
    segmenter = FakeSegmenter(node)
    # It was over before the recorder began, and is told again.
    segmenter.start(stamp_ns=segmenter.now_ns - 60 * SECOND)
    segmenter.end(ActionOutcome.FAILURE, stamp_ns=segmenter.now_ns - 50 * SECOND)
    out = tmp_path / "kept"
    values = {**INPUTS, "models": models, "record_to": out, "around_s": 1.0}
    with node_program(tmp_path, "event_recorder", values) as recorder:
        robot.run_until(
            lambda: (
                recorder.ended
                or (planner.heard("event_recorder") and planner.value("event_recorder", "ring_mb"))
            ),
            "the recorder",
        )
        segmenter.await_hearers(2)
        publishers = robot._publishers.values()
        robot.run_until(lambda: all(p.get_subscription_count() for p in publishers), "its ears")
        began = len(robot.frames_ns)
        robot.run_until(lambda: len(robot.frames_ns) > began + 15, "a second and a half")
        start_ns = robot.frames_ns[-1]
        segmenter.start("Insert", "USB", stamp_ns=start_ns)
        robot.run_until(lambda: robot.frames_ns[-1] > start_ns + SECOND, "a second of it")
        end_ns = robot.frames_ns[-1]
        segmenter.end(ActionOutcome.FAILURE, stamp_ns=end_ns)
        robot.run_until(
            lambda: planner.value("event_recorder", "takes") == "1" or recorder.ended, "the take"
        )
        assert planner.value("event_recorder", "events_failed") == "1", recorder.output
        assert planner.value("event_recorder", "cut_s") == "0"
        assert planner.value("event_recorder", "before_start") == "1"
        assert planner.value("event_recorder", "not_kept") == "0"
        # What a take holds is not bound to its end: a second one is ended by Ctrl-C.
        segmenter.do("unknown")
        robot.run_until(lambda: planner.value("event_recorder", "take"), "the next take")
        segmenter.die()
        assert recorder.interrupt() == 0, recorder.output
    first, second = sorted((out / "events").glob("[0-9]*[0-9]"))
    found = stamps(first)
    assert set(found) == set(TOPICS.values())
    for topic, seen in found.items():
        # Half a second for the way of messages on a busy machine.
        assert seen[0] <= start_ns - SECOND // 2 and seen[-1] >= end_ns + SECOND // 2, topic
        assert seen[0] >= start_ns - 2 * SECOND and seen[-1] <= end_ns + 2 * SECOND, topic
    (label,) = read_labels(labels_path(first)).labels
    assert (label.label, label.source, label.outcome) == ("Insert USB", "model", "failure")
    assert (label.start_ns, label.end_ns) == (start_ns, end_ns)
    assert stamps(second) and labels_path(second).exists()
    # Commands open it with what is proposed, which trains and scores nothing.
    with open_source(first, TopicMap(TOPICS)) as source:
        assert source.actions == [] and not source.complete
        assert len(source.problems) == 1 and "1 that a model proposes" in source.problems[0]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_results_are_in_a_bag_whatever_ends_it(node, tmp_path, end):
    segmenter, planner = FakeSegmenter(node), Planner(node)
    predictions = node.create_publisher(FramePrediction, "m2r2/frame_prediction", 10)
    robot = Robot(node)
    out = tmp_path / "kept"
    with node_program(tmp_path, "result_recorder", {"record_to": out}) as recorder:
        robot.run_until(lambda: planner.heard("result_recorder") or recorder.ended, "the recorder")
        # It gives way to the chain.
        own, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, recorder.process.pid))
        assert its == min(19, own + 10)
        segmenter.await_hearers(2)
        robot.run_until(lambda: predictions.get_subscription_count() > 1, "its ears")
        for _ in range(3):
            segmenter.do("pick", outcome=ActionOutcome.SUCCESS)
            predictions.publish(FramePrediction())
        (bag,) = (out / "results").iterdir()

        def kept():
            with open_bag(bag) as opened:
                return [message for message in opened.messages()]

        robot.run_until(lambda: len({m.topic for m in kept()} & RESULTS) == 3, "all on the disk")
        count = sum(m.topic == "/action_segment" for m in kept())
        robot.run_until(lambda: sum(m.topic == "/action_segment" for m in kept()) >= 6, str(count))
        # A segmenter that goes away at the same time is not waited for longer than it lives.
        node.destroy_publisher(segmenter.publisher)
        status = recorder.interrupt(end)
        assert status == (0 if end == signal.SIGINT else -end), recorder.output
    told = [m for m in kept() if m.topic == "/action_segment"]
    read = [read_segment(message.data) for message in told]
    assert len(read) == 6 and kept()[0].log_ns > 0
    node.destroy_publisher(predictions)


@pytest.mark.parametrize(("windows", "is_waited_for"), [(0, True), (1, False)])
def test_a_chain_that_empties_its_queues_is_waited_for_and_one_that_runs_on_is_not(
    ros, tmp_path, monkeypatch, windows, is_waited_for
):
    monkeypatch.setattr(recorder_node, "_LAST_WORDS_S", 0.0)
    station = ResultRecorder({"record_to": str(tmp_path)})
    looks = []

    def count(topic):
        looks.append(topic)
        return windows if topic == WINDOW_TOPIC else int(looks.count(topic) < 6)

    try:
        station.trigger_configure()
        station.trigger_activate()
        monkeypatch.setattr(station, "count_publishers", count)
        station.shut_down()
    finally:
        station.destroy_node()
    assert (looks.count(SEGMENT_TOPIC) == 6) is is_waited_for


def test_where_nothing_can_be_written_that_is_said_and_the_node_runs_on(ros, tmp_path, capfd):
    (tmp_path / "kept").write_text("a file, where a folder should be")
    station = ResultRecorder({"record_to": str(tmp_path / "kept")})
    try:
        assert station.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert station.trigger_activate() == TransitionCallbackReturn.SUCCESS
        report = station.report()
        assert report.level == WARN and report.message.startswith("nothing is recorded: cannot")
        station._drain()
        assert station.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    finally:
        station.shut_down()
        station.destroy_node()
    assert "Traceback" not in capfd.readouterr().err
