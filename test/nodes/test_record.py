# SPDX-License-Identifier: Apache-2.0
"""`m2r2 record` over DDS: takes, marks, kills, full disks, publishers that come late."""

import os
import pty
import random
import select
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest
import yaml
from harness import Program
from rclpy.qos import QoSProfile, ReliabilityPolicy
from robot import TOPICS, Robot, stamp_of
from sensor_msgs.msg import Joy
from shape_msgs.msg import Plane
from std_msgs.msg import String
from std_srvs.srv import Trigger

from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.labels_file import labels_path, read_labels
from m2r2_ros.datasets.source import open_source
from m2r2_ros.labels import label_from_text
from m2r2_ros.messages.cdr import stamp_ns
from m2r2_ros.nodes.recording import _Run
from m2r2_ros.offline.deployment import Deployment

SECOND = 10**9
HEADER_BYTES = 1000
ASKED_AGAIN_S = 5.0
LABELS = {"format": 1, "labels": ["rest", "pick", "place"], "idle": ["rest"]}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"topics": TOPICS}}}))
    (tmp_path / "vocabulary.yaml").write_text(yaml.safe_dump(LABELS))
    return path


class Recording(Program):
    """`m2r2 record`, and its services."""

    def __init__(self, folder, config, *options):
        self.out = folder / "takes"
        given = ("--config", config, "--out", self.out, "--name", "take_{n}", *options)
        super().__init__(folder, "m2r2_ros.cli.main", "record", *given)

    def command_from(self, robot, name):
        """Call a service while the robot goes on; asked anew when no answer comes.

        A service can be ready before its answers find the way back, and such an answer is lost.
        """
        client = robot.node.create_client(Trigger, f"/recorder/{name}")
        robot.run_until(lambda: self.ended or client.service_is_ready(), "the recorder")
        asked = []
        while not any(future.done() for future in asked):
            assert not self.ended, self.output
            asked.append(client.call_async(Trigger.Request()))
            again = time.monotonic() + ASKED_AGAIN_S
            robot.run_until(lambda t=again: asked[-1].done() or time.monotonic() > t, name)
        robot.node.destroy_client(client)
        return next(future.result() for future in asked if future.done())

    def bag(self, number=1):
        return self.out / f"take_{number:03d}"

    def size(self, number=1):
        file = self.bag(number) / f"take_{number:03d}_0.mcap"
        return file.stat().st_size if file.exists() else 0

    def grows(self, number=1):
        """Waits for more of a take to be on the disk; first of all more than its header."""
        before = max(self.size(number), HEADER_BYTES)
        return lambda: self.size(number) > before or self.ended


def hears_all(robot):
    """Whether every topic has its subscriber."""
    counts = [p.get_subscription_count() for p in robot._publishers.values()]
    return lambda: all(p.get_subscription_count() for p in robot._publishers.values()) or not counts


def contents(bag):
    """Topic -> the stamps of its messages."""
    found = {}
    with open_bag(bag) as opened:
        for message in opened.messages():
            found.setdefault(message.topic, []).append(stamp_ns(message.data))
        problems = opened.problems
    return found, problems


class Heard(Robot):
    """A robot that knows what it has published."""

    def __init__(self, node, absent=()):
        super().__init__(node, absent)
        self.sent = {name: [] for name in TOPICS}
        self.fault = self._note

    def _note(self, name, message):
        self.sent[name].append(stamp_of(message))
        return [message]

    def check_unbroken(self, found):
        """Of each topic every message between the first and the last is there, and no other."""
        for name, topic in TOPICS.items():
            stamps = found[topic]
            sent = [stamp for stamp in self.sent[name] if stamps[0] <= stamp <= stamps[-1]]
            assert stamps == sent, name


def test_takes_by_service_with_marks_are_labelled_recordings(node, config, tmp_path):
    robot = Heard(node)
    mark = node.create_publisher(String, "/recorder/mark", 10)
    options = ("--vocabulary", tmp_path / "vocabulary.yaml", "--takes", 2)
    with Recording(tmp_path, config, *options) as recording:
        robot.run_until(hears_all(robot), "the recorder's subscriptions")
        robot.run_until(lambda: mark.get_subscription_count(), "the topic of marks")
        recording.command_from(robot, "start")
        assert not recording.command_from(robot, "start").success
        marked = []
        for label in ("pick", "nonsense", "place", "rest"):
            marked.append(time.time_ns())
            mark.publish(String(data=label))
            robot.run_until(lambda said=label: f"{said}" in recording.output, label)
            robot.run(0.3)
        recording.command_from(robot, "stop")
        assert not recording.command_from(robot, "stop").success
        recording.command_from(robot, "start")
        robot.run_until(recording.grows(2), "the second take")
        recording.command_from(robot, "stop")
        assert recording.end() == 0, recording.output
    assert f"{recording.bag()}: recording" in recording.output
    assert "'nonsense' is not in the vocabulary" in recording.output
    for number in (1, 2):
        found, problems = contents(recording.bag(number))
        assert problems == [] and set(found) == set(TOPICS.values())
        robot.check_unbroken(found)
    labels = read_labels(labels_path(recording.bag()))
    assert [label.label for label in labels.labels] == ["pick", "place", "rest"]
    assert {label.source for label in labels.labels} == {"mark"}
    first, second = labels.labels[:2]
    assert first.end_ns == second.start_ns
    # Marked when it was said: not before, and before the next was.
    assert marked[0] <= first.start_ns <= marked[1] <= marked[2] <= second.start_ns <= marked[3]
    assert not labels_path(recording.bag(2)).exists()
    with open_source(recording.bag(), Deployment.load(config).topics) as source:
        assert [label_from_text(action.text) for action in source.actions][:2] == ["pick", "place"]


def test_a_button_starts_and_stops(node, config, tmp_path):
    robot = Robot(node, absent=("hama2", "audio"))
    joy = node.create_publisher(Joy, "/joy", 10)
    with Recording(tmp_path, config, "--joy", "/joy:1", "--takes", 1) as recording:
        robot.run_until(lambda: joy.get_subscription_count(), "the joystick's subscription")
        robot.run_until(hears_all(robot), "the recorder's subscriptions")

        def press():
            for buttons in ([0, 0], [0, 1], [0, 1], [0, 0]):
                joy.publish(Joy(buttons=buttons))

        robot.run_until(lambda: "no publisher on" in recording.output, "what is lacking")
        press()
        robot.run_until(recording.grows(), "the take")
        press()
        assert recording.end() == 0, recording.output
    said = [line for line in recording.output.splitlines() if TOPICS["audio"] in line]
    assert said == [f"{TOPICS['audio']} is not recorded: no publisher on {TOPICS['audio']}"]
    assert set(contents(recording.bag())[0]) == {TOPICS[n] for n in robot._publishers}


def test_keys_at_a_terminal_start_stop_and_mark(node, config, tmp_path):
    robot = Robot(node)
    ours, theirs = pty.openpty()
    recording = Recording(tmp_path, config, "--vocabulary", tmp_path / "vocabulary.yaml")
    shown = b""

    def sees(text):
        nonlocal shown
        if select.select([ours], [], [], 0)[0]:
            shown += os.read(ours, 65536)
        return text in shown

    terminal = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(recording.command, **terminal, env=os.environ) as process:
        try:
            robot.run_until(lambda: sees(b"1: pick; 2: place; 0: rest"), "the keys")
            robot.run_until(hears_all(robot), "the recorder's subscriptions")
            os.write(ours, b" ")
            robot.run_until(lambda: sees(b"take_001: recording"), "the take")
            os.write(ours, b"1")
            robot.run_until(lambda: sees(b"mark: pick"), "the first mark")
            robot.run_until(lambda: sees(b"[pick]"), "the label in the line")
            os.write(ours, b"\x7f")
            robot.run_until(lambda: sees(b"mark: rest"), "the idle mark")
            os.write(ours, b"q")
            robot.run_until(lambda: sees(b"") and process.poll() is not None, "the end")
            assert process.returncode == 0
        finally:
            process.kill()
    os.close(ours), os.close(theirs)
    labels = read_labels(labels_path(recording.bag())).labels
    assert [label.label for label in labels] == ["pick", "rest"]
    assert contents(recording.bag())[1] == []


def test_a_take_of_some_seconds_needs_nobody(node, config, tmp_path):
    robot = Robot(node)
    more = node.create_publisher(String, "/more", 10)
    timer = node.create_timer(0.05, lambda: more.publish(String(data="x")))
    options = ("--seconds", 1.5, "--topics", "/more")
    with Recording(tmp_path, config, *options) as recording:
        robot.run_until(lambda: recording.ended, "the end")
        assert recording.end() == 0, recording.output
    node.destroy_timer(timer)
    with open_bag(recording.bag()) as bag:
        assert set(bag.topics) == {*TOPICS.values(), "/more"}
        assert bag.problems == [] and (bag.end_ns - bag.start_ns) / SECOND < 10


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_it_loses_less_than_a_second(node, config, tmp_path, seed):
    """Against what was published: all of a second before the kill, and of what was written then."""
    chance = random.Random(seed)
    robot = Robot(node)
    with Recording(tmp_path, config) as recording:
        robot.run_until(hears_all(robot), "the recorder's subscriptions")
        recording.command_from(robot, "start")
        began = robot.frames_ns[-1] if robot.frames_ns else 0
        robot.run_until(recording.grows(), "the first chunk")
        robot.run(chance.uniform(0.5, 2.0))
        # A machine that is busy makes the recorder late: what counts is what it had been given.
        before = robot.frames_ns[-1]
        robot.run(1.0)
        robot.run_until(lambda: newest_frame(recording.bag()) >= before, "what is a second old")
        recording.process.send_signal(signal.SIGKILL)
        recording.end()
    found, _ = contents(recording.bag())
    frames = found[TOPICS["hama1"]]
    published = [stamp for stamp in robot.frames_ns if began < stamp <= before]
    assert set(published) <= set(frames)
    assert (recording.bag() / "metadata.yaml").exists()


def newest_frame(bag):
    try:
        return max(contents(bag)[0].get(TOPICS["hama1"], [0]))
    except (OSError, ValueError):
        return 0


def test_a_full_disk_ends_it_with_what_there_is(node, config, tmp_path):
    robot = Robot(node)
    recording = Recording(tmp_path, config)
    # In units of 1024 bytes.
    limited = ["bash", "-c", 'ulimit -f 300; exec "$@"', "bash", *recording.command]
    recording.command = limited
    with recording:
        robot.run_until(hears_all(robot), "the recorder's subscriptions")
        recording.command_from(robot, "start")
        robot.run_until(lambda: recording.ended, "the end")
        assert recording.end() == 1
    assert "what there is can be read" in recording.output
    assert "Traceback" not in recording.output
    found, _ = contents(recording.bag())
    assert found[TOPICS["hama1"]]


def test_publishers_that_come_late_or_best_effort_are_recorded(node, config, tmp_path):
    robot = Robot(node, absent=("wrench", "hama2"))
    robot.appear("hama2", ReliabilityPolicy.BEST_EFFORT)
    with Recording(tmp_path, config) as recording:
        robot.run_until(hears_all(robot), "the recorder's subscriptions")
        recording.command_from(robot, "start")
        robot.run_until(recording.grows(), "the take")
        robot.appear("wrench")
        robot.run_until(hears_all(robot), "the late one's subscription")
        robot.run_until(recording.grows(), "more")
        # A signal ends the take in order.
        assert recording.interrupt(signal.SIGTERM) == 0, recording.output
    found, problems = contents(recording.bag())
    assert problems == [] and TOPICS["wrench"] in found and TOPICS["hama2"] in found
    with open_bag(recording.bag()) as bag:
        assert bag.topics[TOPICS["hama2"]].qos.best_effort
        assert not bag.topics[TOPICS["wrench"]].qos.best_effort


def test_what_is_kept_for_late_subscribers_begins_every_take(node, config, tmp_path):
    from rclpy.qos import DurabilityPolicy

    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    calibration = node.create_publisher(String, "/calibration", kept)
    calibration.publish(String(data="once"))
    robot = Robot(node)
    with Recording(tmp_path, config, "--topics", "/calibration", "--takes", 2) as recording:
        robot.run_until(hears_all(robot), "the recorder's subscriptions")
        robot.run_until(calibration.get_subscription_count, "the subscription of what is kept")
        robot.run(0.5)
        for number in (1, 2):
            recording.command_from(robot, "start")
            robot.run_until(recording.grows(number), "the take")
            recording.command_from(robot, "stop")
        assert recording.end() == 0, recording.output
    for number in (1, 2):
        with open_bag(recording.bag(number)) as bag:
            assert bag.topics["/calibration"].count == 1
            assert bag.topics["/calibration"].qos.transient_local
            assert next(iter(bag.messages())).topic == "/calibration"


def test_a_type_that_is_not_installed_is_one_line(node, config, tmp_path):
    """The recorder finds another package in the place of shape_msgs, which has no such type."""
    (tmp_path / "first" / "shape_msgs").mkdir(parents=True)
    (tmp_path / "first" / "shape_msgs" / "__init__.py").touch()
    planes = node.create_publisher(Plane, "/plane", 10)
    timer = node.create_timer(0.05, lambda: planes.publish(Plane()))
    recording = Recording(tmp_path, config, "--topics", "/plane")
    path = f"PYTHONPATH={tmp_path / 'first'}:{os.environ.get('PYTHONPATH', '')}"
    recording.command = ["env", path, *recording.command]
    robot = Robot(node)
    with recording:
        robot.run_until(lambda: "not installed" in recording.output, "the line")
        recording.command_from(robot, "start")
        robot.run_until(recording.grows(), "the take")
        assert recording.interrupt() == 0
    node.destroy_timer(timer)
    lines = [line for line in recording.output.splitlines() if "not installed" in line]
    assert len(lines) == 1 and lines[0].startswith("/plane is not recorded: messages of type")
    assert set(contents(recording.bag())[0]) == set(TOPICS.values())


@pytest.mark.parametrize(
    "options,said",
    [
        (["--config", "/none"], "cannot read /none"),
        (["--seconds", "0"], "--seconds must be"),
        (["--takes", "0"], "--takes must be"),
        (["--name", "a/b"], "makes no name of a folder"),
        (["--topics", "no topic"], "is no topic name"),
        (["--vocabulary", "/none"], "cannot read /none"),
    ],
)
def test_bad_input_is_one_line(config, tmp_path, options, said, capsys):
    from m2r2_ros.cli.main import main

    given = ["record", "--config", str(config), "--out", str(tmp_path / "out"), *options]
    assert main(given) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1


def test_what_was_lost_is_said_with_the_remedy():
    said = []
    recorder = SimpleNamespace(lost={"/wrench": 3}, close=lambda: said.append("closed"))
    console = SimpleNamespace(say=said.append)
    _Run(SimpleNamespace(take=None), recorder, console, {}).end()
    assert said[0] == "/wrench: 3 messages were lost on their way"
    assert "`chrt -r 1 m2r2 record ...`" in said[1] and said[2:] == ["closed"]
    recorder.lost, said[:] = {}, []
    _Run(SimpleNamespace(take=None), recorder, console, {}).end()
    assert said == ["closed"]
