# SPDX-License-Identifier: Apache-2.0
"""What is wrong with topics, clocks and the machine is said; what is right is not."""

import random
import shutil
from types import SimpleNamespace

import pytest
import ros_messages as ros

from m2r2_ros.diagnosis import machine
from m2r2_ros.diagnosis.remarks import WARNING, topic_remarks
from m2r2_ros.diagnosis.report import DoctorReport, table
from m2r2_ros.diagnosis.topic_survey import HERE, OTHER, SINCE_START, ZERO, TopicSurvey
from m2r2_ros.messages.definitions import stored_definitions
from m2r2_ros.signal_presets import WRENCH

NOW, SECOND = 1_700_000_000 * 10**9, 10**9
ROW = [1.0, 2.0, 3.0, 0.1, 0.2, 0.3]


def surveyed(name, ahead_s=0.0, count=50, rate_hz=100.0, frame="tool", shift_ns=None):
    """A wrench stamped `ahead_s` ahead of its arrival, or as much as `shift_ns` from it."""
    survey = TopicSurvey(name, WRENCH, stored_definitions({}))
    shift_ns = round(ahead_s * SECOND) if shift_ns is None else shift_ns
    for k in range(count):
        arrival_ns = NOW + round(k * SECOND / rate_hz)
        message = ros.wrench(max(0, arrival_ns + shift_ns), ROW, frame)
        survey.add(arrival_ns, ros.serialised(message))
    return survey


def remarks(*surveys):
    found = list(topic_remarks({survey.name: survey for survey in surveys}))
    assert {remark.level for remark in found} <= {WARNING}
    return [remark.text for remark in found]


def test_clocks_that_agree_are_left_alone():
    assert remarks(*(surveyed(f"/{k}", -0.02 * k) for k in range(5))) == []
    # A simulator's: all since its start.
    assert remarks(*(surveyed(f"/{k}", shift_ns=5 * SECOND - NOW) for k in range(3))) == []


@pytest.mark.parametrize("seed", range(10))
def test_the_one_clock_that_differs_is_named_and_how_far(seed):
    chance = random.Random(seed)
    apart_s = chance.choice([-1, 1]) * chance.uniform(1.2, 1e6)
    others = [surveyed(f"/{k}", chance.uniform(-0.1, 0.1)) for k in range(chance.randrange(2, 6))]
    (line,) = remarks(*others, surveyed("/odd", apart_s))
    side = "ahead of" if apart_s > 0 else "behind"
    assert line.startswith("/odd: is stamped") and f"s {side} the other topics" in line
    assert abs(float(line.split()[3]) - abs(apart_s)) < 0.3


def test_whose_clock_it_is():
    assert surveyed("/a").clock == HERE
    assert surveyed("/a", 30.0).clock == OTHER
    assert surveyed("/a", shift_ns=-NOW - SECOND).clock == ZERO
    assert surveyed("/a", shift_ns=SECOND - NOW).clock == SINCE_START


def test_faults_of_a_topic_are_a_line_each():
    survey = surveyed("/a", frame="tool")
    for k in range(3):
        survey.add(NOW + SECOND + k, ros.serialised(ros.wrench(NOW + SECOND + k, ROW, "flange")))
    survey.types, survey.lost = (WRENCH, "std_msgs/msg/String"), 7
    said = remarks(survey)
    assert len(said) == 3
    assert "is published as geometry_msgs/msg/WrenchStamped and as std_msgs/msg/String" in said[0]
    assert "7 messages were lost" in said[1] and "'flange', 'tool'" in said[2]
    (zero,) = remarks(surveyed("/zero", shift_ns=-NOW - SECOND))
    assert "does not fill header.stamp" in zero


def test_rates_jitter_and_gaps_are_those_of_the_stamps():
    survey = surveyed("/a", count=100, rate_hz=50.0)
    assert abs(survey.rate_hz - 50) < 0.01 and survey.jitter_ms < 1e-3
    survey.add(NOW + 10 * SECOND, ros.serialised(ros.wrench(NOW + 10 * SECOND, ROW)))
    assert abs(survey.longest_gap_s - (10 - 99 / 50)) < 1e-6 and survey.jitter_ms > 100


@pytest.fixture
def tidy(monkeypatch):
    """A machine on which no program was killed."""
    monkeypatch.setattr(machine, "left_behind", lambda shared: (0, 0))


def test_a_small_shared_memory_and_a_full_disk_are_said(monkeypatch, tidy):
    survey = surveyed("/a")
    survey.largest, survey.bytes = 6_000_000, survey.count * 6_000_000

    def usage(path):
        return SimpleNamespace(free=64 << 20, total=64 << 20)

    monkeypatch.setattr(machine, "is_clock_kept", lambda: True)
    assert not list(machine.machine_remarks({}, is_live=True))
    monkeypatch.setattr(shutil, "disk_usage", usage)
    said = [remark.text for remark in machine.machine_remarks({"/a": survey}, is_live=True)]
    assert len(said) == 2 and "fill the disk here in 0 minutes" in said[0]
    assert "--shm-size" in said[1]


def test_a_clock_that_nobody_keeps_is_said_live_only(monkeypatch, tidy):
    monkeypatch.setattr(machine, "is_clock_kept", lambda: False)
    assert not list(machine.machine_remarks({}, is_live=False))
    (remark,) = machine.machine_remarks({}, is_live=True)
    assert "chronyc" in remark.text


def test_tables_hold_no_control_characters():
    survey = surveyed("/a", frame="\x1b[31m")
    report = DoctorReport({"/a": survey}, {}, {"wrench": ("/a", "")}, {"x": "\x07"}, [])
    assert "\x1b" not in report.text() and "\x07" not in report.text()
    assert table([("a", "b"), ("cc", "d")]) == ["a   b", "cc  d"]


def restamped(stamps):
    """A wrench that comes 100 times a second, stamped so [ns]."""
    survey = TopicSurvey("/a", WRENCH, stored_definitions({}))
    for k, stamp_ns in enumerate(stamps):
        survey.add(NOW + k * SECOND // 100, ros.serialised(ros.wrench(stamp_ns, ROW)))
    return survey


def test_stamps_that_stand_still_or_go_back_are_said():
    whole = [NOW + k * SECOND // 100 for k in range(50)]
    (line,) = remarks(restamped([NOW] * 50))
    assert "all 50 messages have one stamp" in line
    (line,) = remarks(restamped(whole[::-1]))
    assert "stamps go back 49 times, by up to 0.01 s" in line
    # A recording that begins again.
    (line,) = remarks(restamped(whole + whole))
    assert "stamps go back 1 times, by up to 0.49 s" in line
    assert restamped(whole[::-1]).longest_gap_s == 0
    # Two publishers of one topic overtake each other.
    assert remarks(restamped([each for pair in whole for each in (pair, pair - 2_000_000)])) == []


def test_messages_that_cannot_be_read_are_said():
    survey = TopicSurvey("/a", WRENCH, stored_definitions({}))
    for k in range(5):
        survey.add(NOW + k, b"\0\1\0\0\7")
    (line,) = remarks(survey)
    assert "none of its 5 messages can be read" in line


def test_stamps_that_no_clock_says_are_said():
    (line,) = remarks(restamped([k * SECOND // 100 - 5 * SECOND for k in range(50)]))
    assert "before 1970 or after 2038" in line
