# SPDX-License-Identifier: Apache-2.0
"""Robots without a camera: windows of a fixed rate, with the same rules as between frames."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sensor_rig import EPOCH, MS, SECOND, Event, audio, content, run, signal, ticks

from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout((), True, ("wrench", "pose", "gripper"))
SECONDS = 2.0


def recording(seed: int = 0, start_ns: int = 0) -> list[Event]:
    rng = np.random.default_rng(seed)
    sound = rng.uniform(-0.5, 0.5, (int(48_000 * SECONDS), 1)).astype("f4")
    events = [
        *signal("wrench", ticks(SECONDS, 1000, MS // 3, rng), rng),
        *signal("pose", ticks(SECONDS, 250, MS, rng) + 3 * MS, rng, batch=3),
        *signal("gripper", ticks(SECONDS, 30, 2 * MS, rng) + 7 * MS, rng, batch=1),
        *audio(sound, 48_000, EPOCH),
    ]
    moved = [event.moved(start_ns) for event in events]
    return sorted(moved, key=lambda event: event.ready_ns)


EVENTS = recording()
EXPECTED = content(run(EVENTS, builder=WindowBuilder(LAYOUT)))


def test_windows_have_the_nominal_rate_and_leave_nothing_out():
    windows = run(EVENTS, builder=WindowBuilder(LAYOUT))
    assert windows[0].start_ns == min(int(event.stamps.min()) for event in EVENTS)
    assert all(one.end_ns == other.start_ns for one, other in pairwise(windows))
    assert {window.end_ns - window.start_ns for window in windows} == {LAYOUT.period_ns}
    assert len(windows) == pytest.approx(SECONDS * LAYOUT.window_rate_hz, abs=1)
    assert all(all(window.mask.values()) for window in windows[1:-1])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(delays=st.lists(st.integers(0, 40), min_size=4, max_size=4), block_ms=st.integers(1, 120))
def test_arrival_does_not_matter(delays, block_ms):
    """Streams lag by up to 40 ms, which of them is first included."""
    delay = dict(zip(LAYOUT.modalities, delays, strict=True))

    def arrival(event: Event) -> int:
        return event.ready_ns + delay[event.stream] * MS

    builder = WindowBuilder(LAYOUT)
    windows = run(sorted(EVENTS, key=arrival), block_ms * MS, builder, arrival)
    same = content(windows) == EXPECTED
    assert same and all(counts.late == 0 for counts in builder.counters.streams.values())


@pytest.mark.parametrize("offset", [-EPOCH, 10 * SECOND, 3600 * SECOND])
def test_the_epoch_does_not_matter(offset):
    moved = [event.moved(offset) for event in EVENTS]
    same = content(run(moved, builder=WindowBuilder(LAYOUT)), offset) == EXPECTED
    assert same


def test_a_bag_that_loops_starts_anew():
    builder, windows = WindowBuilder(LAYOUT), []
    for event in (*EVENTS, *EVENTS):
        event.feed(builder)
        windows += builder.poll()
    windows += builder.flush()
    starts = [place for place, window in enumerate(windows) if window.index == 0]
    assert builder.counters.resets == 1 and len(starts) == 2
    assert content(windows[: starts[1]]) == content(windows[starts[1] :]) == EXPECTED


@pytest.mark.parametrize("name", ["wrench", "pose", "gripper", "audio"])
def test_a_stream_that_stops_is_masked_and_the_others_go_on(name):
    """Also the fastest, and the one whose sample begins the first window."""
    events = [e for e in EVENTS if e.stream != name or e.ready_ns < EPOCH + SECOND]
    windows = run(events, builder=WindowBuilder(LAYOUT))
    assert len(windows) == pytest.approx(SECONDS * LAYOUT.window_rate_hz, abs=1)
    for window in windows[1:-1]:
        others = {other: there for other, there in window.mask.items() if other != name}
        assert all(others.values())
    assert windows[2].mask[name] and not windows[-1].mask[name]


def test_a_hole_in_all_streams_is_windows_of_nothing():
    """Less than a jump: time goes on at its rate."""
    hole = (EPOCH + 700 * MS, EPOCH + 1400 * MS)
    events = [e for e in EVENTS if not hole[0] <= int(e.stamps[0]) < hole[1]]
    windows = run(events, builder=WindowBuilder(LAYOUT))
    assert [window.index for window in windows] == list(range(len(windows)))
    assert all(one.end_ns == other.start_ns for one, other in pairwise(windows))
    empty = [w for w in windows if w.start_ns > hole[0] + 300 * MS and w.end_ns < hole[1]]
    assert len(empty) >= 2 and not any(any(window.mask.values()) for window in empty)
    assert all(windows[-2].mask.values())
