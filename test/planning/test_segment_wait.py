# SPDX-License-Identifier: Apache-2.0
"""A wait ends by what it waits for, by its timeout, or because nobody can tell."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_events import ENDED, NOW, ONGOING, SECOND, STARTED, event, run

from m2r2_ros.errors import M2R2Error
from m2r2_ros.planning.segment_log import ActionQuery, SegmentLog
from m2r2_ros.planning.segment_wait import (
    Condition,
    Moment,
    SegmentWait,
    Stale,
    TimedOut,
    Told,
    Until,
)

START, END = Until
INSERT_USB = ActionQuery("insert", "USB")


class Robot:
    """A log and a clock, to which waits are attached."""

    def __init__(self):
        self.log, self.waits, self.now = SegmentLog("/t"), [], Moment(NOW, 0.0)

    def at(self, seconds):
        """ROS time and the clock that never rests."""
        self.now = Moment(NOW + round(seconds * SECOND), seconds)

    def wait(self, wanted=INSERT_USB, until=START, timeout=None, max_age=5.0, segment=None):
        condition = Condition(wanted, until, timeout, max_age, segment)
        self.waits.append(SegmentWait(condition, self.log, self.now))
        return self.waits[-1]

    def hear(self, *events, writer=b"one"):
        for each in events:
            self.now = Moment(each.stamp_ns, (each.stamp_ns - NOW) / SECOND)
            news = self.log.add(each, writer)
            for wait in self.waits:
                if news is not None:
                    wait.hear(news, self.now)

    def look(self):
        for wait in self.waits:
            wait.look(self.now)


def test_what_is_under_way_is_returned_at_once():
    robot = Robot()
    robot.hear(event(0, ONGOING, "insert", "USB", 0))
    assert robot.wait().result == event(0, ONGOING, "insert", "USB", 0)
    assert not robot.wait(ActionQuery("insert", "peg")).is_done
    robot.at(6)
    assert not robot.wait().is_done, "too old to say so"
    robot.hear(event(0, ENDED, "insert", "USB", 7))
    assert not robot.wait().is_done


def test_a_start_is_told_when_the_object_is_known():
    robot = Robot()
    usb, any_insert = robot.wait(), robot.wait(ActionQuery("insert"))
    peg = robot.wait(ActionQuery("", "peg"))
    robot.hear(event(0, STARTED, at_s=0), event(0, ENDED, at_s=1))
    robot.hear(event(1, STARTED, "insert", "", 1))
    assert any_insert.result.status == STARTED and not usb.is_done
    robot.hear(event(1, ONGOING, "insert", "USB", 2))
    assert usb.result.object == "USB" and not peg.is_done


def test_an_action_that_opens_as_unknown_starts_when_it_is_named():
    robot = Robot()
    wait = robot.wait()
    robot.hear(event(0, STARTED, at_s=0))
    robot.hear(event(0, ONGOING, "insert", "USB", 1))
    assert wait.result.segment_id == 0


def test_an_end_is_that_of_the_one_under_way_or_of_the_next():
    robot = Robot()
    robot.hear(event(0, STARTED, "insert", "USB", 0))
    first = robot.wait(until=END)
    robot.hear(event(0, ENDED, "insert", "USB", 1))
    second = robot.wait(until=END)
    robot.hear(event(1, STARTED, "insert", "peg", 1), event(1, ENDED, "insert", "peg", 2))
    robot.hear(event(2, STARTED, "insert", "USB", 2), event(2, ENDED, "insert", "USB", 3))
    assert (first.result.segment_id, second.result.segment_id) == (0, 2)


def test_the_end_of_one_segment_is_known_afterwards():
    robot = Robot()
    started = event(0, STARTED, "insert", "USB", 0)
    robot.hear(started)
    waiting = robot.wait(segment=started, until=END)
    robot.hear(event(0, ENDED, "insert", "USB", 1), event(1, STARTED, "pick", "USB", 1))
    late = robot.wait(segment=started, until=END)
    assert waiting.result == late.result and late.result.status == ENDED
    assert isinstance(robot.wait(segment=event(7, STARTED, "insert"), until=END).error, Stale)


def test_a_chain_that_lags_tells_ends_but_no_starts():
    """Its messages come in one go, long after their stamps."""
    robot = Robot()
    start, end = robot.wait(), robot.wait(until=END)
    for each in (event(0, STARTED, "insert", "USB", 0), event(0, ENDED, "insert", "USB", 1)):
        news = robot.log.add(each)
        robot.at(20)
        for wait in (start, end):
            wait.hear(news, robot.now)
    assert end.result.status == ENDED
    assert isinstance(start.error, Stale)


@pytest.mark.parametrize("until", Until)
def test_a_restart_is_said(until):
    robot = Robot()
    robot.hear(event(3, STARTED, "insert", "peg", 0))
    wait = robot.wait(until=until)
    robot.hear(event(3, ENDED, "insert", "peg", 1), writer=b"two")
    assert isinstance(wait.error, Stale) and "started anew" in str(wait.error)
    robot.hear(event(4, STARTED, "insert", "USB", 2), writer=b"two")
    assert wait.result is None, "it stays as it is"
    assert robot.wait().result.segment_id == 4, "a new wait goes on"


def test_silence_is_said_and_a_slow_start_is_none():
    robot = Robot()
    wait = robot.wait(max_age=5.0)
    robot.at(4.9)
    robot.look()
    assert not wait.is_done
    robot.at(5.0)
    robot.look()
    assert isinstance(wait.error, Stale) and "nothing has been heard" in str(wait.error)
    robot.hear(event(0, ONGOING, "pick", "USB", 6))
    robot.at(60)
    second, patient = robot.wait(max_age=5.0), robot.wait(max_age=None)
    robot.look()
    assert not second.is_done, "it may be about to come back"
    robot.at(65)
    robot.look()
    assert "silent for 59.0 s" in str(second.error)
    assert not patient.is_done


def test_a_timeout_says_what_was_heard():
    robot = Robot()
    wait = robot.wait(timeout=2.0)
    robot.hear(event(0, ONGOING, "pick", "peg", 2))
    robot.look()
    assert isinstance(wait.error, TimedOut)
    assert "the start of 'insert USB' has not come within 2 s" in str(wait.error)
    assert "the latest is 'pick peg'" in str(wait.error)
    zero = robot.wait(timeout=0.0)
    robot.look()
    assert isinstance(zero.error, TimedOut)


def test_time_that_jumps_back_takes_nothing_away():
    """A bag that loops: the clock goes back, ids count on."""
    robot = Robot()
    wait = robot.wait(timeout=10.0)
    robot.hear(event(0, STARTED, "pick", "USB", 6), event(0, ENDED, "pick", "USB", 6))
    robot.hear(event(1, STARTED, "pick", "USB", -50), event(1, ONGOING, "pick", "USB", -47))
    robot.look()
    assert not wait.is_done
    robot.at(-46.1)  # 9.9 s
    robot.look()
    assert not wait.is_done
    robot.at(-46)
    robot.look()
    assert isinstance(wait.error, TimedOut)


def test_before_the_first_clock_the_steady_one_counts():
    robot = Robot()
    robot.now = Moment(0, 100.0)
    wait, timed = robot.wait(max_age=5.0), robot.wait(max_age=None, timeout=30.0)
    robot.now = Moment(0, 104.0)
    robot.look()
    assert not wait.is_done
    robot.now = Moment(NOW, 105.0)
    robot.look()
    assert not wait.is_done, "the first /clock is no time that has passed"
    robot.now = Moment(NOW + SECOND, 106.0)
    robot.look()
    assert isinstance(wait.error, Stale)
    assert not timed.is_done


@given(st.integers(0, 10**6), st.integers(1, 20), st.floats(0, 0.3))
def test_a_start_is_reached_or_said_to_be_in_doubt(seed, segments, lost):
    """Never does a wait let a start pass in silence, whatever goes unheard."""
    chance = random.Random(seed)
    robot, sent = Robot(), run(chance, segments)
    robot.hear(event(-1, ENDED, at_s=0))
    wait = robot.wait(max_age=None)
    told = Told(INSERT_USB, START)
    passed = False
    for each in sent:
        passed |= INSERT_USB.is_done_in(each) and each.status != ENDED
        if chance.random() >= lost:
            robot.hear(each)
    robot.hear(event(segments, STARTED, at_s=10**6))
    assert wait.is_done or not passed
    if wait.result is not None:
        assert INSERT_USB.is_done_in(wait.result)
    log = SegmentLog("/t")  # All is heard.
    calls = sum(told.is_new(log.add(each)) for each in sent)
    usb = {e.segment_id for e in sent if INSERT_USB.is_done_in(e) and e.status != ENDED}
    assert calls == len(usb)


@pytest.mark.parametrize("until", ["END", "end", 2, None, -1])
def test_what_is_neither_start_nor_end_is_refused(until):
    with pytest.raises(M2R2Error, match=r"until must be Until\.START or Until\.END, not"):
        Robot().wait(until=until)


def test_the_number_of_the_message_is_as_good_as_its_name():
    robot = Robot()
    wait = robot.wait(until=1, timeout=0.0)
    robot.look()
    assert str(wait.error).startswith("the end of 'insert USB' has not come")


@pytest.mark.parametrize("name", ["timeout", "max_age"])
def test_a_time_that_is_no_number_would_never_be_over(name):
    with pytest.raises(M2R2Error, match=f"^{name} must be seconds or None, not NaN$"):
        Robot().wait(**{name: float("nan")})
