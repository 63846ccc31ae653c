# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_rig import EPOCH, MS, SECOND, camera, content, recording, run, signal

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

ONE = SensorLayout(cameras=("front",), audio=False, signals=("wrench",))
FRAME = np.zeros((2, 2, 3), np.uint8)


def fill(
    builder: WindowBuilder, seconds: float = 1.0, name: str = "wrench", faults: dict | None = None
) -> np.ndarray:
    """Frames at 10 Hz and rows at 1 kHz whose values are their time in seconds."""
    frames = range(0, round(seconds * 1000) + 1, 100)
    for ms in frames:
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    times = np.arange(round(seconds * 1000))
    values = np.repeat(times[:, None] / 1000, 6, axis=1)
    for row, value in (faults or {}).items():
        values[row, 2] = value
    builder.add_signal(name, EPOCH + times * MS, values)
    return values


def test_windows_lie_between_reference_frames():
    windows = run(recording())
    assert [window.index for window in windows] == list(range(len(windows)))
    assert all(a.end_ns == b.start_ns for a, b in pairwise(windows))
    frames = {int(e.stamps[0]) for e in recording() if e.stream == "hama1"}
    assert {w.end_ns for w in windows} | {windows[0].start_ns} <= frames
    assert windows[0].start_ns == min(frames)


def test_everything_of_a_healthy_rig_is_measured():
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run(recording(), builder=builder)
    assert len(windows) == 20
    assert all(all(window.mask.values()) for window in windows)
    for window in windows:
        rows = -(-(window.end_ns - window.start_ns) * 300 // SECOND)
        assert {name: v.shape for name, v in window.signals.items()} == {
            "wrench": (rows, 6),
            "pose": (rows, 7),
            "twist": (rows, 6),
            "gripper": (rows, 1),
        }
        assert all(v.dtype == np.float32 for v in window.signals.values())
        assert window.audio.dtype == np.float32
        assert abs(len(window.audio) - (window.end_ns - window.start_ns) * 16 / MS) < 1
    totals = builder.counters.as_dict()
    assert (totals["windows"], totals["gap_windows"], totals["resets"]) == (20, 0, 0)
    for counts in totals["streams"].values():
        assert {k for k, v in counts.items() if v} == {"received"}


def test_signal_values_are_interpolated_from_samples_before_the_end():
    builder = WindowBuilder(ONE)
    fill(builder)
    windows = builder.poll() + builder.flush()
    assert len(windows) == 10
    for k, window in enumerate(windows):
        grid = np.arange(30) * SECOND // 300 / SECOND
        # The last sample before the end is 1 ms old there and is held.
        expected = np.minimum(k / 10 + grid, k / 10 + 0.099)
        np.testing.assert_allclose(window.signals["wrench"][:, 3], expected, atol=1e-6)


def test_a_row_at_the_end_belongs_to_the_next_window():
    builder = WindowBuilder(ONE)
    for ms in (0, 100, 200):
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    stamps = EPOCH + np.array([0, 50, 100, 150, 200]) * MS
    builder.add_signal("wrench", stamps, np.array([0, 0, 9, 9, 0])[:, None] * np.ones(6))
    first, second = builder.poll() + builder.flush()
    assert (first.signals["wrench"] == 0).all()
    assert (second.signals["wrench"] == 9).all()


@pytest.mark.parametrize(
    ("value", "reason"), [(np.nan, "nan"), (np.inf, "nan"), (-np.inf, "nan"), (1e6, "range")]
)
def test_a_row_that_is_no_measurement_masks_the_windows_it_touches(value, reason):
    builder = WindowBuilder(ONE)
    fill(builder, faults={450: value, 799: value})
    masks = [window.mask["wrench"] for window in builder.poll() + builder.flush()]
    # Row 799 is the last before 800 ms; row 800 lies at the next window's start.
    assert masks == [True, True, True, True, False, True, True, False, True, True]
    assert builder.counters.streams["wrench"].rejected == {reason: 2}


def test_a_zero_quaternion_is_no_rotation():
    builder = WindowBuilder(SensorLayout(cameras=(), audio=False, signals=("pose",)))
    stamps = EPOCH + np.arange(1000) * MS
    values = np.tile([0.5, 0, 0.3, 1.0, 0, 0, 0], (1000, 1))
    values[500:, 3:] = 0
    builder.add_signal("pose", stamps, values)
    masks = [window.mask["pose"] for window in builder.poll() + builder.flush()]
    assert masks == [True] * 5 + [False] * 4
    assert builder.counters.streams["pose"].rejected == {"range": 500}


def test_a_stopped_signal_is_held_and_then_masked_and_comes_back():
    builder = WindowBuilder(ONE)
    for ms in range(0, 1501, 100):
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    times = np.concatenate([np.arange(0, 400), np.arange(1000, 1500)])
    builder.add_signal("wrench", EPOCH + times * MS, np.ones((900, 6)))
    masks = [window.mask["wrench"] for window in builder.poll() + builder.flush()]
    # The last sample before the hole is from 399 ms: held at 500 and 600 ms, too old at 700.
    assert masks == [True] * 6 + [False] * 4 + [True] * 5
    assert builder.counters.streams["wrench"].gaps == 1


def test_malformed_rows_are_refused_and_counted():
    builder = WindowBuilder(ONE)
    builder.add_signal("wrench", np.array([EPOCH]), np.zeros((1, 5)))
    builder.add_signal("wrench", np.array([EPOCH, EPOCH + 1]), np.zeros((1, 6)))
    builder.add_signal("wrench", np.array([0.5]), np.zeros((1, 6)))
    builder.add_signal("wrench", np.array([EPOCH]), np.array([["a"] * 6]))
    builder.add_signal("wrench", np.array(EPOCH), np.zeros(6))
    builder.add_signal("wrench", np.zeros(0, np.int64), np.zeros((0, 6)))
    assert builder.counters.streams["wrench"].rejected == {"malformed": 6}
    assert builder.poll() == []


def test_a_stalled_camera_leaves_gap_windows_and_the_rest_goes_on():
    events = [
        e
        for e in recording(4)
        if e.stream != "hama1" or not 0.9 < (e.stamps[0] - EPOCH) / SECOND < 2.8
    ]
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run(events, builder=builder)
    assert len(windows) == pytest.approx(39, abs=1)
    assert 17 <= builder.counters.gap_windows <= 20
    stalled = [w for w in windows if 1.0 * SECOND < w.end_ns - EPOCH < 2.8 * SECOND]
    assert all(w.end_ns - w.start_ns <= 150 * MS for w in windows)
    for window in stalled:
        others = {name: there for name, there in window.mask.items() if name != "hama1"}
        assert all(others.values())
        age = window.end_ns - max(
            int(e.stamps[0]) for e in events if e.stream == "hama1" and e.stamps[0] <= window.end_ns
        )
        assert window.mask["hama1"] == (age <= 500 * MS)


def test_without_a_camera_windows_have_the_nominal_rate():
    layout = SensorLayout(cameras=(), audio=False, signals=("wrench",))
    rng = np.random.default_rng(0)
    events = signal("wrench", EPOCH + np.arange(1000) * MS, rng)
    builder = WindowBuilder(layout)
    windows = run(events, builder=builder)
    assert [w.end_ns - EPOCH for w in windows] == [100 * MS * k for k in range(1, 10)]
    assert builder.counters.gap_windows == 0


def test_a_camera_that_never_appears_does_not_hold_up_the_rest():
    events = [e for e in recording() if e.stream not in ("hama1", "gripper")]
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run(events, builder=builder)
    assert len(windows) == 20
    assert builder.counters.gap_windows == 20
    assert all(w.mask["hama2"] and w.mask["wrench"] and not w.mask["gripper"] for w in windows[1:])


def test_another_reference_camera_can_be_named():
    windows = run(recording(), builder=WindowBuilder(REASSEMBLE_LAYOUT, reference_camera="hama2"))
    frames = {int(e.stamps[0]) for e in recording() if e.stream == "hama2"}
    assert {w.end_ns for w in windows} <= frames


def test_unknown_names_are_refused_with_a_hint():
    with pytest.raises(M2R2Error, match=r"no camera 'hama3'.*did you mean 'hama"):
        WindowBuilder(REASSEMBLE_LAYOUT, reference_camera="hama3")
    builder = WindowBuilder(ONE)
    with pytest.raises(M2R2Error, match=r"no signal 'wrenches'.*did you mean 'wrench'"):
        builder.add_signal("wrenches", np.zeros(1, np.int64), np.zeros((1, 6)))
    with pytest.raises(M2R2Error, match="no audio"):
        builder.add_audio(0, np.zeros((1, 1), np.float32), 16_000)


def test_a_window_waits_for_fast_streams_and_not_for_silent_ones():
    builder = WindowBuilder(ONE, SensingLimits())
    for ms in (0, 100):
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    builder.add_signal("wrench", EPOCH + np.arange(100) * MS, np.zeros((100, 6)))
    assert builder.poll() == []
    builder.add_signal("wrench", EPOCH + np.array([100]) * MS, np.zeros((1, 6)))
    assert len(builder.poll()) == 1
    builder.add_image("front", EPOCH + 200 * MS, FRAME)
    assert builder.poll() == []
    builder.add_image("front", EPOCH + 230 * MS, FRAME)
    assert len(builder.poll()) == 1


def test_late_rows_are_counted():
    builder = WindowBuilder(ONE)
    fill(builder, 0.5)
    builder.poll()
    builder.add_image("front", EPOCH + 700 * MS, FRAME)
    assert [w.end_ns - EPOCH for w in builder.poll()] == [500 * MS, 600 * MS]
    builder.add_signal("wrench", EPOCH + np.array([598, 599, 600]) * MS, np.zeros((3, 6)))
    builder.poll()
    assert builder.counters.streams["wrench"].late == 2


def test_memory_is_bounded_when_nobody_polls():
    limits = SensingLimits(buffer_s=0.5, max_signal_rate_hz=1000, max_camera_rate_hz=20)
    builder = WindowBuilder(REASSEMBLE_LAYOUT, limits)
    for event in recording(3):
        event.feed(builder)
    windows = builder.poll() + builder.flush()
    counts = builder.counters.streams
    assert counts["wrench"].dropped == 3000 - 500
    assert counts["hama1"].dropped == 90 - 10
    assert counts["audio"].dropped == 144_000 - 96_000
    # The gripper kept all its rows, so the windows begin with it.
    assert [w.mask["wrench"] for w in windows[:20] + windows[-3:]] == [False] * 20 + [True] * 3


def test_reset_starts_with_window_0():
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    events = recording(1)
    first = run(events, builder=builder)
    for event in events[:50]:
        event.feed(builder)
    builder.reset()
    assert content(run(events, builder=builder)) == content(first)


@pytest.mark.parametrize("field", ["max_wait_s", "buffer_s", "max_force_n"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "long"])
def test_limits_are_checked(field, value):
    with pytest.raises(M2R2Error, match=field):
        SensingLimits(**{field: value})


def test_camera_rates_are_thinned():
    rng = np.random.default_rng(0)
    layout = SensorLayout(cameras=("front",), audio=False, signals=())
    for rate in (60, 30, 25, 15, 10):
        stamps = EPOCH + np.round(np.arange(rate * 5) * SECOND / rate).astype(np.int64)
        windows = run(camera("front", stamps, rng), builder=WindowBuilder(layout))
        assert len(windows) == pytest.approx(49.5, abs=0.6)


def frame_and_rows(rows_until_ms: int) -> WindowBuilder:
    """Frames at 10 Hz up to 300 ms, rows at 1 kHz; polled."""
    builder = WindowBuilder(ONE)
    for ms in (0, 100, 200, 300):
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    rows = np.arange(rows_until_ms + 1)
    builder.add_signal("wrench", EPOCH + rows * MS, np.zeros((len(rows), 6)))
    builder.poll()
    return builder


def test_how_long_a_window_waits_for_the_streams_that_are_alive():
    assert WindowBuilder(ONE).wait_ns() is None
    # By the stamp of the frame it is 300 ms: the rows after 295 ms are late.
    builder = frame_and_rows(295)
    assert builder.wait_ns() == (0, 0)
    builder.add_signal("wrench", EPOCH + np.array([300]) * MS, np.zeros((1, 6)))
    assert len(builder.poll()) == 1
    # Nobody knows when the next frame comes.
    assert builder.wait_ns() is None


def test_how_long_a_window_waits_for_a_slow_stream():
    layout = SensorLayout(cameras=("front",), audio=False, signals=("wrench", "gripper"))
    builder = WindowBuilder(layout)
    for ms in (0, 100, 200, 300):
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    rows = EPOCH + np.arange(302) * MS
    builder.add_signal("wrench", rows, np.zeros((302, 6)))
    # Every 80 ms, and known for 55 ms more: up to 295 ms, and with the row at 320 ms to 375 ms.
    slow = EPOCH + np.arange(0, 241, 80) * MS
    builder.add_signal("gripper", slow, np.zeros((len(slow), 1)))
    assert [w.end_ns - EPOCH for w in builder.poll()] == [100 * MS, 200 * MS]
    # It is 301 ms, the wrench says, which speaks every millisecond.
    assert builder.wait_ns() == (18 * MS, 19 * MS)
    builder.add_signal("wrench", EPOCH + np.arange(302, 331) * MS, np.zeros((29, 6)))
    assert builder.poll() == []
    assert builder.wait_ns() == (0, 0)
    builder.add_signal("gripper", EPOCH + np.array([320]) * MS, np.zeros((1, 1)))
    assert [w.end_ns - EPOCH for w in builder.poll()] == [300 * MS]
    builder.reset()
    assert builder.wait_ns() is None


def test_how_long_a_window_waits_for_what_is_silent():
    layout = SensorLayout(cameras=("front",), audio=False, signals=("wrench", "gripper"))
    builder = WindowBuilder(layout)
    for ms in range(0, 401, 100):
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    builder.add_signal("wrench", EPOCH + np.arange(405) * MS, np.zeros((405, 6)))
    assert [w.end_ns - EPOCH for w in builder.poll()][-1] == 300 * MS
    # What has no gripper is complete 20 ms (`reorder_s`) later: 16 ms after the newest row, which
    # is up to 1 ms old.
    assert builder.wait_ns() == (15 * MS, 16 * MS)
    builder.add_signal("wrench", EPOCH + np.arange(405, 421) * MS, np.zeros((16, 6)))
    assert [w.end_ns - EPOCH for w in builder.poll()] == [400 * MS]


def test_no_window_waits_for_what_cannot_come():
    layout = SensorLayout(cameras=("front",), audio=True, signals=("wrench", "gripper"))
    builder = WindowBuilder(layout)
    builder.expect(["front", "wrench"])
    for ms in range(0, 301, 100):
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    builder.add_signal("wrench", EPOCH + np.arange(300) * MS, np.zeros((300, 6)))
    assert [w.end_ns - EPOCH for w in builder.poll()] == [100 * MS, 200 * MS]
    assert builder.frame_wait_ns(EPOCH + 300 * MS) == 0
    builder.add_signal("wrench", EPOCH + np.array([300]) * MS, np.zeros((1, 6)))
    (window,) = builder.poll()
    assert window.mask == {"front": True, "audio": False, "wrench": True, "gripper": False}
    # A publisher has come.
    builder.expect(layout.modalities)
    builder.add_image("front", EPOCH + 400 * MS, FRAME)
    builder.add_signal("wrench", EPOCH + np.arange(301, 420) * MS, np.zeros((119, 6)))
    assert builder.poll() == []
    assert builder.wait_ns() == (0, 1 * MS)
    # All have gone; what is there is used.
    builder.expect([])
    builder.add_signal("wrench", EPOCH + np.array([420]) * MS, np.zeros((1, 6)))
    assert [w.end_ns - EPOCH for w in builder.poll()] == [400 * MS]


def test_which_frames_end_no_window():
    builder = WindowBuilder(ONE)
    assert builder.frame_wait_ns(EPOCH) == 0
    fill(builder, 0.5)
    builder.poll()
    # The window began at 400 ms: what comes up to 475 ms does not end it, what comes later may,
    # and with what is from before or from long after, time may have jumped.
    waits = {ms: builder.frame_wait_ns(EPOCH + ms * MS) for ms in range(300, 700)}
    assert [ms for ms, wait_ns in waits.items() if wait_ns == inf] == list(range(401, 475))
    assert all(waits[ms] == 0 for ms in (*range(300, 401), *range(551, 700)))
    builder.reset()
    assert builder.frame_wait_ns(EPOCH + 430 * MS) == 0


def test_how_long_a_frame_that_comes_waits_for_a_slow_stream():
    layout = SensorLayout(cameras=("front",), audio=False, signals=("wrench", "gripper"))
    builder = WindowBuilder(layout)
    for ms in (0, 100, 200):
        builder.add_image("front", EPOCH + ms * MS, FRAME)
    builder.add_signal("wrench", EPOCH + np.arange(251) * MS, np.zeros((251, 6)))
    # Every 80 ms, and known for 55 ms more: up to 295 ms, and with the row at 320 ms to 375 ms.
    slow = EPOCH + np.arange(0, 241, 80) * MS
    builder.add_signal("gripper", slow, np.zeros((len(slow), 1)))
    assert [w.end_ns - EPOCH for w in builder.poll()] == [100 * MS, 200 * MS]
    assert builder.frame_wait_ns(EPOCH + 290 * MS) == 0
    assert builder.frame_wait_ns(EPOCH + 300 * MS) == 20 * MS
    # The frame is not added for that.
    assert builder.wait_ns() is None


@settings(max_examples=60)
@given(
    interval_ms=st.integers(1, 60),
    count=st.integers(1, 40),
    ahead_ms=st.integers(0, 300),
    name=st.sampled_from(["front", "wrench"]),
)
def test_the_sample_that_is_waited_for_is_the_one_with_which_a_window_is_known(
    interval_ms, count, ahead_ms, name
):
    builder = WindowBuilder(ONE)
    stream = builder._streams[name]

    def add(k):
        stamp = np.array([EPOCH + k * interval_ms * MS])
        payload = FRAME if name == "front" else np.zeros((1, 6))
        stream.ingest([(stamp, payload)])

    for k in range(count):
        add(k)
    # A single sample tells of no interval: whatever comes next is waited for.
    if count == 1:
        assert stream.expected_by(EPOCH + 3) == EPOCH + 3
        return
    end_ns = EPOCH + (count * interval_ms + ahead_ms) * MS
    expected = stream.expected_by(end_ns)
    k = count
    while stream.known_until() < end_ns:
        add(k)
        k += 1
    assert stream.newest_ns == expected
