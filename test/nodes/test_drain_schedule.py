# SPDX-License-Identifier: Apache-2.0
"""Topics are emptied seldom: no window is another one for that, and none comes later."""

from __future__ import annotations

from itertools import groupby
from math import inf

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sensor_rig import EPOCH, MS, SECOND, Event, content, recording

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.nodes.drain_schedule import (
    IDLE_DRAIN_S,
    LEAD_S,
    LONGEST_REST_S,
    POLL_LIMIT_S,
    POLL_NS,
    SHORTLY_S,
    TRANSPORT_NS,
    DrainSchedule,
)
from m2r2_ros.sensing.builder import WindowBuilder

REFERENCE = "hama1"
IDLE_NS = round(IDLE_DRAIN_S * SECOND)
Arrivals = list[tuple[int, Event]]


class Played:
    """Windows, when each was closed [ns], and how often the topics were emptied."""

    def __init__(self) -> None:
        self.builder = WindowBuilder(REASSEMBLE_LAYOUT)
        self.windows, self.closed_ns = [], []
        self.drains = self.rests = 0

    def poll(self, now_ns: int) -> None:
        self.drains += 1
        windows = self.builder.poll()
        self.windows += windows
        self.closed_ns += [now_ns] * len(windows)


def play_at_once(arrivals: Arrivals) -> Played:
    """Look after every millisecond, as if at its beginning: no window can be closed earlier."""
    played = Played()
    for ms, block in groupby(arrivals, lambda pair: pair[0] // MS):
        for _, event in block:
            event.feed(played.builder)
        played.poll(ms * MS)
    return played


def play_by_schedule(arrivals: Arrivals) -> Played:
    """As the synchronizer does, with its timers in simulated time."""
    played, schedule, waiting = Played(), DrainSchedule(), []
    due_ns = {"poll": inf, "idle": arrivals[0][0] + IDLE_NS}

    def rest(now_ns: int) -> None:
        due_ns["idle"] = now_ns + round(schedule.idle_s(now_ns / SECOND) * SECOND)

    def drain(now_ns: int) -> None:
        for event in waiting:
            event.feed(played.builder)
        waiting.clear()
        played.poll(now_ns)
        again_ns = schedule.drained(now_ns / SECOND, played.builder.wait_ns())
        due_ns["poll"] = inf if again_ns is None else now_ns + again_ns
        rest(now_ns)

    for now_ns, event in arrivals:
        while min(due_ns.values()) <= now_ns:
            drain(int(min(due_ns.values())))
        waiting.append(event)
        if event.stream == REFERENCE:
            wait_ns = played.builder.frame_wait_ns(int(event.stamps[0]))
            after_ns = schedule.frame_came(now_ns / SECOND, wait_ns)
            if not after_ns:
                drain(now_ns)
                continue
            rest(now_ns)
            if after_ns < inf:
                due_ns["poll"] = now_ns + after_ns
            else:
                played.rests += 1
    return played


def arrivals_of(events: list[Event], delay_ms: dict[str, float]) -> Arrivals:
    timed = [(event.ready_ns + round(delay_ms[event.stream] * MS), event) for event in events]
    return sorted(timed, key=lambda pair: pair[0])


RECORDINGS = {hz: recording(1.7, hz, reference_hz=hz, batch=1) for hz in (7, 10, 15, 30, 60)}
STREAMS = REASSEMBLE_LAYOUT.modalities


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(rate_hz=7, common_ms=0, more_ms=[0] * 7, absent="audio", stops=True)
@given(
    rate_hz=st.sampled_from(sorted(RECORDINGS)),
    common_ms=st.integers(0, 40),
    more_ms=st.lists(st.integers(0, 20), min_size=len(STREAMS), max_size=len(STREAMS)),
    absent=st.sampled_from([None, None, "audio", "gripper", "wrench", "hama2"]),
    stops=st.booleans(),
)
def test_resting_changes_no_window_and_delays_none(rate_hz, common_ms, more_ms, absent, stops):
    """Cameras of all rates, streams that lag, one that is missing or stops half way."""
    events = [
        event
        for event in RECORDINGS[rate_hz]
        if event.stream != absent or (stops and event.stamps[0] < EPOCH + SECOND // 2)
    ]
    delays = {name: common_ms + more for name, more in zip(STREAMS, more_ms, strict=True)}
    arrivals = arrivals_of(events, delays)
    eager, lazy = play_at_once(arrivals), play_by_schedule(arrivals)
    count = len(lazy.windows)
    # The last one may have become complete with the last message.
    assert len(eager.windows) - 1 <= count <= len(eager.windows)
    same = content(eager.windows[:count]) == content(lazy.windows)
    assert same
    came_ns = {int(e.stamps[0]): now_ns for now_ns, e in arrivals if e.stream == REFERENCE}
    # What the newest stamp of all tells of the others is wrong by the difference of their ways.
    soon_ns = POLL_NS + TRANSPORT_NS + (max(more_ms) - min(more_ms) + 1) * MS
    # A stream that stops is missed from when its last message was taken; sound that never comes
    # is awaited for as long as a chunk may be, whatever frames come meanwhile.
    missed_ns = IDLE_NS if absent and (stops or absent == "audio") else 0
    for window, early_ns, late_ns in zip(
        lazy.windows, eager.closed_ns, lazy.closed_ns, strict=False
    ):
        until_ns = came_ns.get(window.end_ns, -inf) + POLL_LIMIT_S * SECOND
        # No frame asks for the first window.
        is_asked_for = window.index and early_ns + soon_ns <= until_ns
        delay_ns = missed_ns + (soon_ns if is_asked_for else IDLE_NS + MS)
        assert early_ns <= late_ns <= early_ns + delay_ns


@pytest.mark.parametrize("absent", [None, "gripper"])
def test_a_camera_three_times_as_fast_rests_twice_a_window(absent):
    events = [event for event in RECORDINGS[30] if event.stream != absent]
    played = play_by_schedule(arrivals_of(events, dict.fromkeys(STREAMS, 0.3)))
    windows = len(played.windows)
    assert 1.7 * windows < played.rests < 2.3 * windows
    # One a window, when the last message of it has come, and those before the first one.
    assert played.drains < 1.2 * windows + 10


def test_a_frame_that_may_end_a_window_is_no_time_to_rest():
    schedule = DrainSchedule()
    assert schedule.frame_came(0.0, inf) == 0
    schedule.drained(0.0, None)
    assert schedule.frame_came(0.03, inf) == inf
    assert schedule.frame_came(0.03, 0) == 0
    assert schedule.frame_came(LONGEST_REST_S, inf) == inf
    assert schedule.frame_came(LONGEST_REST_S + 0.001, inf) == 0


def test_what_a_frame_waits_for_is_drained_when_it_is_due_and_no_later_for_the_next_frame():
    schedule = DrainSchedule()
    schedule.drained(0.0, None)
    assert schedule.frame_came(0.1, 20 * MS) == 20 * MS + TRANSPORT_NS
    assert schedule.frame_came(0.116, 20 * MS) == inf
    # One that is waited for less long comes first.
    assert schedule.frame_came(0.116, 2 * MS) == 2 * MS + TRANSPORT_NS
    # What is still missing then is looked for soon, whatever the next frame waits for.
    assert schedule.drained(0.119, (0, 0)) == TRANSPORT_NS
    assert schedule.drained(0.116 + SHORTLY_S, (0, 0)) == POLL_NS
    assert schedule.frame_came(0.123, 20 * MS) == inf
    # Whoever waits for a drain that has not come for so long waits no longer.
    assert schedule.frame_came(0.127, 20 * MS) == 20 * MS + TRANSPORT_NS
    assert schedule.frame_came(0.2, (POLL_LIMIT_S + 0.001) * SECOND) == 0


def test_the_last_drain_before_a_frame_has_ended_when_it_comes():
    schedule = DrainSchedule()
    assert schedule.idle_s(0.0) == IDLE_DRAIN_S
    schedule.frame_came(1.0, 0)
    assert schedule.idle_s(1.02) == IDLE_DRAIN_S
    schedule.frame_came(1.1, 0)
    # Twice, evenly, until the frame at 1.2.
    first_s = 1.12 + schedule.idle_s(1.12)
    second_s = first_s + schedule.idle_s(first_s)
    assert first_s == pytest.approx((1.12 + 1.2 - LEAD_S) / 2)
    assert second_s == pytest.approx(1.2 - LEAD_S)
    # A frame that does not come is not waited for.
    assert schedule.idle_s(1.2 - LEAD_S) == schedule.idle_s(1.25) == IDLE_DRAIN_S


def test_frames_that_come_more_often_than_the_topics_are_drained_need_no_drain_before_them():
    schedule = DrainSchedule()
    for frame in range(3):
        schedule.frame_came(frame / 30, inf)
    assert schedule.idle_s(2 / 30 + 0.01) == IDLE_DRAIN_S


def test_what_is_late_is_waited_for_when_it_is_due_then_often_then_at_leisure():
    schedule = DrainSchedule()
    # Nobody has asked for a window.
    assert schedule.drained(0.0, (0, 500_000)) is None
    assert schedule.frame_came(1.0, 0) == 0
    assert schedule.drained(1.0, None) is None
    assert schedule.drained(1.0, (0, 500_000)) == 500_000 + TRANSPORT_NS
    assert schedule.drained(1.0, (0, 20_000_000)) == POLL_NS + TRANSPORT_NS
    assert schedule.drained(1.0, (19_000_000, 20_000_000)) == 19_000_000 + TRANSPORT_NS
    assert schedule.drained(1.0 + POLL_LIMIT_S, (0, 0)) == POLL_NS
    assert schedule.drained(1.001 + POLL_LIMIT_S, (0, 0)) is None
