# SPDX-License-Identifier: Apache-2.0
"""What is kept around which segments, of how much memory and disk, and what is said of the rest."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from bag_files import TYPE, text_message

from m2r2_ros.datasets import event_recording, take
from m2r2_ros.datasets.bag_description import RecordedTopic
from m2r2_ros.datasets.bag_qos import OfferedQos
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.event_recording import EventPlan, EventRecording
from m2r2_ros.datasets.labels_file import labels_path, read_labels
from m2r2_ros.datasets.message_ring import MessageRing
from m2r2_ros.datasets.segment_proposals import SegmentProposals
from m2r2_ros.datasets.take import Received
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.vocabulary import Vocabulary

NOW, SECOND, STEP = 1_700_000_000 * 10**9, 10**9, 10**8
TOPIC = RecordedTopic("/a", TYPE, OfferedQos(10), "string data")
STATIC = RecordedTopic("/tf_static", TYPE, OfferedQos(1, False, True), "string data")
VOCABULARY = Vocabulary(("rest", "pick lid", "place lid"), ("rest",))
STARTED, ONGOING, ENDED = SegmentStatus


def plan(out, **given):
    usual = {"around_ns": SECOND, "ring_bytes": 10**9, "folder_bytes": 10**9, "unsure_below": 0.5}
    return EventPlan(out, "t{n}", vocabulary=VOCABULARY, **(usual | given))


def event(start_s, end_s, label="pick lid", number=0, status=ENDED, **given):
    start_ns, end_ns = (NOW + round(s * SECOND) for s in (start_s, end_s))
    usual = {"action": label, "object": "", "class_id": 0, "confidence": 0.9}
    more = {"stamp_ns": end_ns, "start_ns": start_ns, "end_ns": end_ns, "boundary_confidence": 0.5}
    return SegmentEvent(segment_id=number, status=status, label=label, **usual | more | given)


class Told:
    """Time that passes: a message every 0.1 s, and events when they are due."""

    def __init__(self, out, offset_ns=0, size=100, **given):
        self.events = EventRecording(plan(out, **given))
        self.now_s, self._offset_ns, self._text = 0.0, offset_ns, "x" * size

    def until(self, seconds):
        while self.now_s < seconds:
            self.now_s = round(self.now_s + 0.1, 1)
            arrival_ns = NOW + round(self.now_s * 10) * STEP + self._offset_ns
            message = Received(TOPIC, arrival_ns, arrival_ns - self._offset_ns, text(self._text))
            self.events.add([message], arrival_ns)
        return self

    def hear(self, told):
        self.until((told.stamp_ns - NOW) / SECOND)
        self.events.hear(told)
        return self


def text(letters):
    return text_message(letters)


def seconds_of(bag):
    with open_bag(bag) as opened:
        return [round((m.log_ns - NOW) / SECOND, 1) for m in opened.messages()]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (event(4, 6, label="unknown"), "unknown"),
        (event(4, 6, outcome=ActionOutcome.FAILURE), "failed"),
        (event(4, 6, confidence=0.4), "unsure"),
        (event(4, 6), ""),
        (event(4, 6, label="unknown", status=ONGOING), ""),
        (event(4, 6, outcome=ActionOutcome.SUCCESS), ""),
    ],
)
def test_what_is_worth_a_look_is_kept_with_what_was_around_it(tmp_path, told, reason):
    cell = Told(tmp_path).hear(told).until(20)
    assert dict(cell.events.reasons) == ({reason: 1} if reason else {})
    assert [bag.name for bag in cell.events.finished] == (["t001"] if reason else [])
    if reason:
        seconds = seconds_of(tmp_path / "t001")
        assert (seconds[0], seconds[-1], len(seconds)) == (3.0, 7.0, 41)
        assert cell.events.cut_s == 0


@pytest.mark.parametrize("offset_s", [0.0, -3.0e8, 77.0])
def test_segments_are_proposals_in_the_time_of_stamps(tmp_path, offset_s):
    """Whatever this machine's clock is; those that go on beyond the take are cut."""
    cell = Told(tmp_path, offset_ns=round(offset_s * SECOND))
    cell.hear(event(0, 4, "rest")).hear(event(4, 5, outcome=ActionOutcome.FAILURE, number=1))
    cell.hear(event(5, 5.7, "place lid", number=2, status=ONGOING))
    cell.hear(event(5.7, 5.8, "unknown", number=3)).until(20)
    (bag,) = cell.events.finished
    labels = read_labels(labels_path(bag))
    assert labels.vocabulary == VOCABULARY and not labels.complete
    assert {label.source for label in labels.labels} == {"model"}
    found = [
        (label.label, label.outcome, *((t - NOW) / SECOND for t in (label.start_ns, label.end_ns)))
        for label in labels.labels
    ]
    first_s = (labels.epoch_ns - NOW) / SECOND
    assert first_s == pytest.approx(3.0, abs=0.31)
    assert found == [
        ("rest", None, first_s, 4.0),
        ("pick lid", "failure", 4.0, 5.0),
        ("place lid", None, 5.0, 5.7),
    ]


def test_events_that_follow_each_other_are_one_take_up_to_a_length(tmp_path, monkeypatch):
    monkeypatch.setattr(event_recording, "_LONGEST_NS", 3 * SECOND)
    cell = Told(tmp_path)
    for number in range(12):
        start_s = 4 + 0.9 * number
        cell.hear(event(start_s, start_s + 0.9, "unknown", number))
    cell.until(30)
    spans = [(s[0], s[-1]) for s in map(seconds_of, cell.events.finished)]
    assert spans == [(3.0, 8.9), (7.5, 13.4), (12.0, 15.8)]


@pytest.mark.parametrize("seed", range(8))
def test_the_ring_holds_the_newest_that_fit(seed):
    chance = random.Random(seed)
    most, ring, all_of_them = chance.randint(500, 20_000), None, []
    ring = MessageRing(most)
    for number in range(300):
        data = bytes(chance.randint(0, 2 * most if chance.random() < 0.02 else 900))
        all_of_them.append(Received(TOPIC, NOW + number, None, data))
        ring.add(all_of_them[-1:])
        kept = ring.since(0)
        assert kept == all_of_them[len(all_of_them) - len(kept) :]
        assert ring.size == sum(len(m.data) + 300 for m in kept) <= most
        assert ring.evicted == len(all_of_them) - len(kept)
        # One more would not have fitted.
        if ring.evicted:
            before = all_of_them[-len(kept) - 1]
            assert ring.size + len(before.data) + 300 > most


def test_what_the_ring_no_longer_has_is_said(tmp_path):
    """Forty messages of 400 bytes fit: four seconds."""
    cell = Told(tmp_path, size=91, ring_bytes=40 * 400)
    cell.hear(event(1, 9, "unknown")).until(20)
    (bag,) = cell.events.finished
    assert seconds_of(bag)[0] == 5.1
    assert cell.events.cut_s == pytest.approx(5.1)


@pytest.mark.parametrize("seed", range(6))
def test_takes_stay_within_their_folder_however_much_the_ring_holds(tmp_path, seed):
    """Up to their files of labels: a take is cut where its bag, closed, would reach the limit."""
    chance = random.Random(seed)
    (tmp_path / "old").write_bytes(bytes(5000))
    most = chance.randint(200_000, 600_000)
    cell = Told(tmp_path, size=chance.randint(100, 40_000), folder_bytes=most, around_ns=3 * SECOND)
    topics = [replace(TOPIC, name=f"/{n}", definition="string data\n" * n) for n in range(1, 30)]
    refused = []
    for number in range(30):
        extra = [
            Received(topic, NOW + round(cell.now_s * 10) * STEP, None, text("y" * 50))
            for topic in chance.sample(topics, 5)
        ]
        told = event(4 * number + 2, 4 * number + 3, "unknown", number)
        for step, *given in (
            (cell.events.add, extra, NOW + round(cell.now_s * 10) * STEP),
            (cell.hear, told),
            (cell.until, 4 * number + 5),
        ):
            try:
                step(*given)
            except M2R2Error as error:
                refused.append(str(error))
    assert all("have reached events_mb" in line for line in refused) and cell.events.not_kept
    bags = sum(path.stat().st_size for path in tmp_path.glob("*/*"))
    assert most - 250_000 < bags + 5000 <= most
    assert cell.events.written_bytes < most + 50_000
    assert "have reached events_mb" in cell.events.problem
    for bag in cell.events.finished:
        assert seconds_of(bag)


def test_a_take_that_is_cut_for_want_of_room_says_so(tmp_path):
    cell = Told(tmp_path, size=10_000, folder_bytes=250_000)
    with pytest.raises(M2R2Error, match=r"t001 ends early: the takes in .* have reached events_mb"):
        cell.hear(event(4, 6, "unknown")).until(10)
    (bag,) = cell.events.finished
    assert seconds_of(bag)[0] == 3.0 and seconds_of(bag)[-1] < 6.0
    with pytest.raises(M2R2Error, match="have reached events_mb"):
        cell.hear(event(11, 12, "unknown", 1))
    assert (cell.events.not_kept, len(cell.events.finished)) == (1, 1)


def test_a_full_disk_is_said_and_the_next_event_tries_again(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise M2R2Error("No space left on device")

    cell = Told(tmp_path / "other")
    monkeypatch.setattr(event_recording, "BagRecording", refuse)
    with pytest.raises(M2R2Error, match="No space"):
        cell.hear(event(4, 6, "unknown"))
    assert cell.events.not_kept == 1 and "No space" in cell.events.problem
    monkeypatch.undo()
    cell.hear(event(7, 8, "unknown", 1)).until(20)
    assert len(cell.events.finished) == 1 and cell.events.problem == ""


def test_who_makes_room_in_the_folder_gets_takes_again(tmp_path):
    old = tmp_path / "old"
    old.write_bytes(bytes(150_000))
    cell = Told(tmp_path, folder_bytes=200_000)
    with pytest.raises(M2R2Error, match="have reached events_mb"):
        cell.hear(event(1, 2, "unknown"))
    assert "have reached events_mb" in cell.events.problem
    old.unlink()
    cell.hear(event(4, 6, "unknown", 1)).until(10)
    assert len(cell.events.finished) == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_take_has_what_came_around_its_event_however_late_it_is_told(tmp_path, seed):
    """As a segmenter that lags tells it, and as the last event is repeated to who joins late."""
    end_s = random.Random(seed).randrange(30, 90) / 10
    cell = Told(tmp_path).until(12)
    cell.events.hear(event(end_s - 1, end_s, "unknown"))
    cell.until(15)
    seconds = seconds_of(cell.events.finished[0])
    assert (seconds[0], seconds[-1]) == (round(end_s - 2, 1), round(end_s + 1, 1))


def test_an_event_that_the_ring_has_lost_is_not_kept(tmp_path):
    cell = Told(tmp_path, ring_bytes=20 * 400).until(30)
    with pytest.raises(M2R2Error, match="told too late"):
        cell.events.hear(event(10, 12, "unknown"))
    small = Told(tmp_path, size=1000, ring_bytes=500).until(5)
    with pytest.raises(M2R2Error, match="ring_mb is too small"):
        small.events.hear(event(3, 4, "unknown"))
    assert cell.events.not_kept == small.events.not_kept == 1 and not list(tmp_path.iterdir())
    # Nothing is wrong with the folder.
    assert cell.events.problem == "" and "told too late" in cell.events.why_not


@pytest.mark.parametrize("offset_s", [0.0, 77.0, 3.0e8])
@pytest.mark.parametrize("sensors_came", [True, False])
@pytest.mark.parametrize("told_after_s", [0, 5])
def test_who_joins_late_is_told_the_last_event_and_has_lost_nothing(
    tmp_path, offset_s, sensors_came, told_after_s
):
    """It is repeated at once, maybe before anything has come of the sensors; a busy machine may
    take its time."""
    cell = Told(tmp_path, offset_ns=round(offset_s * SECOND))
    cell.now_s = 40.0
    if sensors_came:
        cell.until(40.5)
    else:
        for late_s in (0, told_after_s):
            cell.events.add([], NOW + (40 + late_s) * SECOND + round(offset_s * SECOND))
    cell.events.hear(event(20, 30, "unknown"))
    events = cell.events
    assert (events.before_start, events.not_kept, events.reasons) == (1, 0, {})
    assert events.problem == events.why_not == "" and not list(tmp_path.iterdir())
    # The next ones are kept, and so is what is told too late for another reason.
    cell.hear(event(44, 46, "unknown", 1)).until(60)
    assert len(events.finished) == 1 and events.before_start == 1


def test_sensors_of_which_nothing_comes_are_said_once_an_event_is_due(tmp_path):
    recording = EventRecording(plan(tmp_path / "events"))
    for step in range(80):
        recording.add([], NOW + step * STEP)
    ended = event(4, 6, "unknown")
    recording.hear(replace(ended, status=STARTED))
    with pytest.raises(M2R2Error, match="nothing has come of the sensors"):
        recording.hear(ended)
    assert (recording.not_kept, recording.before_start) == (1, 0)


def test_an_event_that_is_repeated_makes_one_take(tmp_path):
    """As to a recorder that was deactivated and is active again."""
    told = event(4, 6, "unknown")
    cell = Told(tmp_path).hear(told).until(9)
    cell.events.hear(told)
    cell.until(20)
    assert len(cell.events.finished) == 1 and dict(cell.events.reasons) == {"unknown": 1}


def test_labels_that_cannot_be_written_end_the_take_which_can_be_read(tmp_path, monkeypatch):
    cell = Told(tmp_path).hear(event(4, 6, "unknown"))

    def refuse(*arguments):
        raise M2R2Error("No space left on device")

    monkeypatch.setattr(take, "write_labels", refuse)
    with pytest.raises(M2R2Error, match="No space"):
        cell.until(20)
    assert cell.events.take is None and "No space" in cell.events.problem
    assert seconds_of(cell.events.finished[0])[0] == 3.0


def test_what_is_kept_for_late_subscribers_begins_every_take(tmp_path):
    cell = Told(tmp_path)
    cell.events.add([Received(STATIC, NOW, None, text("tree"))], NOW)
    cell.hear(event(4, 5, "unknown")).hear(event(11, 12, "unknown", 1)).until(20)
    for bag in cell.events.finished:
        with open_bag(bag) as opened:
            topics = [message.topic for message in opened.messages()]
        assert topics[0] == "/tf_static" and topics.count("/tf_static") == 1
    assert len(cell.events.finished) == 2


def test_without_a_sensor_there_is_no_empty_take(tmp_path):
    recording = EventRecording(plan(tmp_path / "events"))
    # The first one may be of long ago, told again to the new subscriber.
    recording.hear(event(1, 3, "unknown"))
    assert (recording.before_start, recording.not_kept) == (1, 0)
    with pytest.raises(M2R2Error, match="nothing has come"):
        recording.hear(event(4, 6, "unknown"))
    assert recording.not_kept == 1 and not (tmp_path / "events").exists()


def test_a_long_segment_is_kept_with_what_came_after_it(tmp_path, monkeypatch):
    """Also where it is longer than events that follow one another may make a take."""
    monkeypatch.setattr(event_recording, "_LONGEST_NS", 3 * SECOND)
    cell = Told(tmp_path).hear(event(2, 12, "unknown")).until(20)
    seconds = seconds_of(cell.events.finished[0])
    assert (seconds[0], seconds[-1]) == (1.0, 13.0)


def test_a_clock_of_stamps_that_is_set_back_keeps_what_has_just_come(tmp_path):
    """A bag that loops: the segment before it ends when stamps begin anew."""
    cell = Told(tmp_path, offset_ns=-500 * SECOND).until(8)
    for number in range(3):
        arrival_ns = NOW - 500 * SECOND + round(8.1 * SECOND) + number
        message = Received(TOPIC, arrival_ns, NOW - 7000 * SECOND, text("x"))
        cell.events.add([message], arrival_ns)
    cell.events.hear(event(6, 8, "unknown"))
    cell.until(20)
    seconds = [s + 500 for s in seconds_of(cell.events.finished[0])]
    assert 7.0 <= seconds[0] <= 8.1 and seconds[-1] <= 9.2


@pytest.mark.parametrize(
    ("confidence", "read"), [(float("nan"), 0.0), (-0.5, 0.0), (1.0000001, 1.0), (0.7, 0.7)]
)
def test_a_confidence_that_is_none_does_not_end_a_take(confidence, read):
    proposals = SegmentProposals(VOCABULARY)
    proposals.note(event(4, 6, confidence=confidence))
    (label,) = proposals.labels(NOW, NOW + 9 * SECOND).labels
    assert label.confidence == read


@pytest.mark.parametrize("seed", range(10))
def test_proposals_can_be_made_of_any_stream(seed):
    """Also of one whose clock is set back, or whose segmenter begins anew."""
    chance, proposals = random.Random(seed), SegmentProposals(VOCABULARY)
    start_s = 0.0
    for number in range(60):
        start_s += chance.choice((0.0, 0.5, 2.0, -5.0 if chance.random() < 0.1 else 1.0))
        label = chance.choice((*VOCABULARY.labels, "unknown", "pick"))
        told = event(start_s + 20, start_s + 20 + chance.random(), label, number % 40)
        proposals.note(replace(told, status=chance.choice((STARTED, ONGOING, ENDED))))
    first_ns, last_ns = NOW + 25 * SECOND, NOW + 50 * SECOND
    labels = proposals.labels(first_ns, last_ns)
    assert labels.epoch_ns == first_ns
    assert all(first_ns <= one.start_ns < one.end_ns <= last_ns for one in labels.labels)
