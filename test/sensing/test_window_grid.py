# SPDX-License-Identifier: Apache-2.0
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_rig import MS

from m2r2_ros.sensing.window_grid import WindowGrid

PERIOD = 100 * MS


def ends(frames: list[int], known: float = inf, until: int | None = None) -> list[tuple[int, bool]]:
    """All windows from the first frame on, in milliseconds."""
    grid = WindowGrid(PERIOD, PERIOD * 3 // 2)
    grid.begin(frames[0])
    found = []
    until = frames[-1] if until is None else until
    while (end := grid.next_end(frames, known)) and end[0] <= until:
        assert 0 < end[0] - grid.start_ns <= grid.longest_ns
        grid.advance(end[0])
        found.append(end)
    return found


def clock(rate_hz: float, seconds: float, jitter_ms: float = 0.0, seed: int = 0) -> list[int]:
    noise = np.random.default_rng(seed).uniform(-jitter_ms, jitter_ms, round(rate_hz * seconds))
    return [round(k * 1e9 / rate_hz + noise[k] * 1e6) for k in range(len(noise))]


@pytest.mark.parametrize("rate_hz", [10, 15, 25, 30, 60, 90, 29.97])
@pytest.mark.parametrize("jitter_ms", [0.0, 2.0])
def test_frames_are_thinned_to_ten_a_second(rate_hz, jitter_ms):
    windows = ends(clock(rate_hz, 60, jitter_ms))
    assert len(windows) == pytest.approx(600, abs=3)
    assert all(has_frame for _, has_frame in windows)


@pytest.mark.parametrize(
    ("rate_hz", "expected_ms"),
    [
        (10, [100, 200, 300, 400]),
        (30, [100, 200, 300, 400]),
        (25, [80, 200, 280, 400]),
        (60, [83.333333, 183.333333, 283.333333, 383.333333]),
        (15, [133.333333, 200, 333.333333, 400]),
    ],
)
def test_the_chosen_frames(rate_hz, expected_ms):
    chosen = [end for end, _ in ends(clock(rate_hz, 1))][:4]
    assert chosen == [pytest.approx(ms * MS, abs=1) for ms in expected_ms]


@pytest.mark.parametrize("rate_hz", [9.9, 9.99, 10.01, 10.1, 7.0])
def test_a_camera_near_the_window_rate_keeps_all_its_frames(rate_hz):
    frames = clock(rate_hz, 120, jitter_ms=1.0)
    assert ends(frames) == [(frame, True) for frame in frames[1:]]


def test_a_stalled_camera_leaves_gap_windows_of_one_period():
    frames = [0, 100 * MS, 200 * MS, 730 * MS, 830 * MS]
    assert ends(frames) == [
        (100 * MS, True),
        (200 * MS, True),
        (300 * MS, False),
        (400 * MS, False),
        (500 * MS, False),
        (600 * MS, False),
        (730 * MS, True),
        (830 * MS, True),
    ]


def test_a_slow_camera_alternates_with_gap_windows():
    assert ends(clock(5, 1)) == [(100 * MS * k, k % 2 == 0) for k in range(1, 9)]


def test_a_gap_is_not_declared_while_a_frame_may_come():
    grid = WindowGrid(PERIOD, PERIOD * 3 // 2)
    grid.begin(0)
    assert grid.next_end([0, 30 * MS], known_ns=149 * MS) is None
    assert grid.next_end([0, 30 * MS], known_ns=150 * MS) == (100 * MS, False)
    assert grid.next_end([0, 30 * MS, 150 * MS], known_ns=150 * MS) == (150 * MS, True)
    assert grid.next_end([0, 60 * MS], known_ns=150 * MS) == (60 * MS, True)


def test_without_frames_windows_have_the_nominal_rate():
    grid = WindowGrid(PERIOD, PERIOD * 3 // 2)
    grid.begin(7)
    for k in range(1, 5):
        assert grid.next_end((), inf) == (7 + k * PERIOD, False)
        grid.advance(7 + k * PERIOD)


@settings(max_examples=60)
@given(rate_hz=st.floats(5, 90), jitter_ms=st.floats(0, 20), seed=st.integers(0, 999))
def test_a_frame_before_the_earliest_end_ends_no_window_when_it_comes(rate_hz, jitter_ms, seed):
    """Frames come one by one; a later one may decide that the window ended there after all."""
    frames = sorted(set(clock(rate_hz, 3, jitter_ms, seed)))
    grid = WindowGrid(PERIOD, PERIOD * 3 // 2)
    grid.begin(frames[0])
    for count, frame in enumerate(frames[1:], 2):
        while (end := grid.next_end(frames[:count], frame)) and end[0] < frame:
            grid.advance(end[0])
        is_early = grid.start_ns < frame < grid.earliest_end()
        assert is_early == (end is None)
        if end:
            assert end == (frame, True)
            grid.advance(frame)
