# SPDX-License-Identifier: Apache-2.0
"""Takes and marks without ROS: what is written when, in which clock, under which name."""

import random
import shutil
from math import inf

import pytest
from bag_files import TYPE, text_message

from m2r2_ros.datasets.bag_description import RecordedTopic
from m2r2_ros.datasets.bag_qos import OfferedQos
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.labels_file import labels_path, read_labels
from m2r2_ros.datasets.marks import SHORTEST_NS, Marks, keyed_labels
from m2r2_ros.datasets.recorded_topics import beside, recorded_topics
from m2r2_ros.datasets.recording_session import RecordingSession, SessionPlan
from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.take import Received, StampClock, next_folder
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.vocabulary import Vocabulary

NOW, SECOND = 1_700_000_000 * 10**9, 10**9
TOPIC = RecordedTopic("/a", TYPE, OfferedQos(10), "string data")
KEPT = RecordedTopic("/kept", TYPE, OfferedQos(1, False, True), "string data")
VOCABULARY = Vocabulary(("rest", "pick", "place"), ("rest",))


def received(arrival_ns, topic=TOPIC, stamp_ns=None, text="x"):
    return Received(topic, arrival_ns, stamp_ns, text_message(text))


def session(out, **given):
    return RecordingSession(SessionPlan(out, "t{n}", **given))


def times(bag):
    with open_bag(bag) as opened:
        return [(m.topic, m.log_ns) for m in opened.messages()]


def test_what_comes_between_takes_is_not_recorded(tmp_path):
    run = session(tmp_path, takes=2)
    for number in range(6):
        if number in (1, 4):
            run.start()
        run.add([received(NOW + number)], NOW + number)
        if number in (2, 4):
            run.stop()
    assert run.is_over
    assert [bag.name for bag in run.finished] == ["t001", "t002"]
    assert times(tmp_path / "t001") == [("/a", NOW + 1), ("/a", NOW + 2)]
    assert times(tmp_path / "t002") == [("/a", NOW + 4)]
    for action, said in ((run.start, "all 2 takes"), (run.stop, "nothing is being recorded")):
        with pytest.raises(M2R2Error, match=said):
            action()
    with pytest.raises(M2R2Error, match="nothing can be marked"):
        run.mark("pick", NOW)


def test_each_take_begins_with_what_is_kept_for_late_subscribers(tmp_path):
    run = session(tmp_path)
    run.add([received(NOW, KEPT), received(NOW + 1), received(NOW + 2, KEPT)], NOW + 3)
    for number in (1, 2):
        run.start()
        run.add([received(NOW + 10 * number)], NOW + 10 * number)
        run.stop()
    assert [topic for topic, _ in times(tmp_path / "t001")] == ["/kept", "/kept", "/a"]
    assert times(tmp_path / "t002")[0] == ("/kept", NOW + 10)


def test_marks_are_on_the_disk_at_once(tmp_path):
    run = session(tmp_path, vocabulary=VOCABULARY)
    run.start()
    run.add([received(NOW, stamp_ns=NOW - 5000)], NOW)
    path = labels_path(tmp_path / "t001")
    assert not path.exists()
    run.mark("pick", NOW + SECOND)
    run.mark("place", NOW + 3 * SECOND)
    labels = read_labels(path)
    assert labels.epoch_ns == NOW - 5000 and not labels.complete
    assert labels.vocabulary == VOCABULARY
    spans = [(each.label, each.start_ns, each.end_ns) for each in labels.labels]
    assert spans == [("pick", NOW + SECOND, NOW + 3 * SECOND)]
    with pytest.raises(M2R2Error, match="did you mean 'pick'"):
        run.mark("pikc", NOW)
    run.add([], NOW + 4 * SECOND)
    run.stop()
    assert [each.label for each in read_labels(path).labels] == ["pick", "place"]


def test_marks_of_a_simulated_clock_are_in_its_time(tmp_path):
    """Stamps since the start of a simulator, one topic's driver not filling them."""
    run = session(tmp_path)
    run.start()
    rows = [received(NOW + k, RecordedTopic(f"/{k}", TYPE, OfferedQos()), 10 + k) for k in range(3)]
    wall = received(NOW, RecordedTopic("/wall", TYPE, OfferedQos()), NOW)
    run.add([wall, *rows, received(NOW + 3, stamp_ns=0)], NOW + 4)
    run.mark("pick", NOW + SECOND)
    run.mark("", NOW + 2 * SECOND)
    run.stop()
    labels = read_labels(labels_path(tmp_path / "t001"))
    assert [(e.label, e.start_ns, e.end_ns) for e in labels.labels] == [
        ("pick", 10 + SECOND, 10 + 2 * SECOND)
    ]
    assert labels.epoch_ns == 10


def test_stamps_of_this_machine_s_clock_are_not_shifted():
    clock = StampClock()
    for k in range(9):
        topic = RecordedTopic(f"/{k}", TYPE, OfferedQos())
        clock.note(received(NOW, topic, NOW - k * SECOND // 10))
    assert clock.stamp_of(NOW) == NOW


@pytest.mark.parametrize("seed", range(20))
def test_any_marks_make_labels_in_order(seed):
    """Also where the clock is set back between them."""
    chance = random.Random(seed)
    marks, until = Marks(), NOW
    for _ in range(chance.randrange(1, 30)):
        until += chance.randrange(-SECOND, 3 * SECOND) // chance.choice((1, 1000))
        marks.begin(chance.choice(["", "a", "b c"]), until)
    labels = marks.labels(NOW - 10 * SECOND, until)
    assert all(each.source == "mark" for each in labels.labels)
    assert len(labels.labels) <= len(marks)
    # Shorter than a frame, nothing can be shown, named or learned.
    assert all(each.end_ns - each.start_ns >= SHORTEST_NS for each in labels.labels)


def test_a_mark_that_the_next_one_takes_back_is_no_label():
    marks = Marks()
    for label, after_ms in (("a", 0), ("b", 1000), ("c", 1010), ("d", 3000)):
        marks.begin(label, NOW + after_ms * 10**6)
    assert marks.too_short == 1
    labels = marks.labels(NOW, NOW + 4 * SECOND).labels
    assert [label.label for label in labels] == ["a", "c", "d"]


def test_a_state_that_is_said_over_and_over_is_one_label():
    """A state machine says at 100 Hz where it is; an operator does the same thing twice."""
    marks = Marks()
    said = [("a", k * 10) for k in range(200)] + [("b", 2000 + k * 10) for k in range(100)]
    new = [marks.begin(label, NOW + ms * 10**6) for label, ms in said]
    assert sum(new) == len(marks) == 2 and marks.too_short == 0
    assert marks.begin("b", NOW + 6 * SECOND)
    labels = marks.labels(NOW, NOW + 7 * SECOND).labels
    spans = [(e.label, (e.start_ns - NOW) / SECOND, (e.end_ns - NOW) / SECOND) for e in labels]
    assert spans == [("a", 0, 2), ("b", 2, 6), ("b", 6, 7)]


def test_more_marks_than_labels_can_be_leave_the_take_going_on(tmp_path, monkeypatch):
    monkeypatch.setattr("m2r2_ros.datasets.marks.MAX_ACTIONS", 3)
    run = session(tmp_path)
    run.start()
    for k in range(3):
        assert run.mark(f"x{k}", NOW + k * SECOND)
    with pytest.raises(M2R2Error, match="a take has no more"):
        run.mark("x3", NOW + 4 * SECOND)
    run.add([received(NOW + 5 * SECOND)], NOW + 5 * SECOND)
    bag = run.stop()
    assert [e.label for e in read_labels(labels_path(bag)).labels] == ["x0", "x1", "x2"]


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_take_that_is_moved_or_removed_is_no_success(tmp_path, is_moved):
    run = session(tmp_path / "out")
    bag = run.start()
    run.add([received(NOW)], NOW)
    bag.rename(tmp_path / "elsewhere") if is_moved else shutil.rmtree(bag)
    with pytest.raises(M2R2Error, match="moved or removed"):
        run.stop()
    assert run.is_over and not bag.exists()
    if is_moved:
        (file,) = (tmp_path / "elsewhere").glob("*.mcap")
        assert times(file) == [("/a", NOW)]


def test_keys_are_the_labels_that_are_not_idle():
    assert keyed_labels(VOCABULARY) == {"1": "pick", "2": "place", "0": "rest"}
    many = Vocabulary(tuple(f"l{k}" for k in range(12)))
    keys = keyed_labels(many)
    assert len(keys) == 10 and keys["9"] == "l8" and keys["0"] == ""


def test_takes_are_counted_on(tmp_path):
    assert next_folder(tmp_path, "lid_{n}").name == "lid_001"
    (tmp_path / "lid_001").mkdir()
    (tmp_path / "lid_002.labels.json").touch()
    assert next_folder(tmp_path, "lid_{n}").name == "lid_003"
    (tmp_path / "lid").mkdir()
    assert next_folder(tmp_path, "lid").name == "lid_2"
    assert len(next_folder(tmp_path, "%Y").name) == 4
    with pytest.raises(M2R2Error, match="too long"):
        next_folder(tmp_path / ("x" * 300), "%Y")


@pytest.mark.parametrize("pattern", ["", "a/b", "..", "/x", ".", "a\nb"])
def test_what_is_no_name_is_refused(tmp_path, pattern):
    with pytest.raises(M2R2Error, match="makes no name of a folder"):
        next_folder(tmp_path, pattern)


def test_the_topics_are_those_that_offline_commands_need():
    signals = {"pose": SensorInput(frame="base", child_frame="tool")}
    named = {"front": "/front", "audio": "/mic/audio", "pose": "/tf", "wrench": ""}
    topics = TopicMap(named, (), "front", signals)
    found = recorded_topics(topics, ["/more"])
    assert found == ["/front", "/mic/audio", "/tf", "/tf_static", "/more"]
    assert beside(topics) == ["/mic/audio_info"]
    with pytest.raises(M2R2Error, match="no topic name"):
        recorded_topics(topics, ["no topic"])


def test_without_an_end_a_session_goes_on(tmp_path):
    run = session(tmp_path)
    assert run.plan.takes == run.plan.seconds == inf and not run.is_over
