# SPDX-License-Identifier: Apache-2.0
"""Streams on a wrong clock, and jumps of the clock of all."""

from dataclasses import replace

import numpy as np
import pytest
from sensor_rig import EPOCH, MS, SECOND, Event, content, recording, run

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout

STREAMS = REASSEMBLE_LAYOUT.modalities


def disturbed(events: list[Event], stream: str, change, after: float = 0.0) -> list[Event]:
    """Replace the stamps of a stream from a time on; messages arrive when they did before."""
    start = EPOCH + round(after * SECOND)
    return [
        replace(e, stamps=change(e.stamps)) if e.stream == stream and e.stamps[0] >= start else e
        for e in events
    ]


def run_in_order(events, truth, builder, block_ns=20 * MS):
    """Feed the events at the times at which their undisturbed counterparts arrive."""
    arrival = {id(e): t.ready_ns for e, t in zip(events, truth, strict=True)}
    return run(events, block_ns, builder, lambda e: arrival[id(e)])


FAULTS = {
    "10 s ahead": lambda stamps: stamps + 10 * SECOND,
    "10 s behind": lambda stamps: stamps - 10 * SECOND,
    "zero": lambda stamps: np.zeros_like(stamps),
    "1e-9 of itself": lambda stamps: stamps // 1_000_000_000,
    "largest": lambda stamps: np.full_like(stamps, np.iinfo(np.int64).max),
    "smallest": lambda stamps: np.full_like(stamps, np.iinfo(np.int64).min),
}


@pytest.mark.parametrize("stream", ["hama1", "hama2", "audio", "wrench", "gripper"])
@pytest.mark.parametrize(
    ("fault", "after"), [*((fault, 0.8) for fault in FAULTS), ("10 s ahead", 0.0), ("zero", 0.0)]
)
def test_one_stream_with_wrong_stamps_does_not_stop_the_others(stream, fault, after):
    truth = recording(1.8)
    events = disturbed(truth, stream, FAULTS[fault], after)
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run_in_order(events, truth, builder)
    assert len(windows) == pytest.approx(17.5, abs=1)
    assert builder.counters.resets == 0
    masks = np.array([[w.mask[name] for name in STREAMS if name != stream] for w in windows])
    assert masks[2:].all()
    # A held frame is the last to go.
    assert not any(w.mask[stream] for w in windows if w.end_ns > EPOCH + (after + 0.7) * SECOND)
    counts = builder.counters.streams[stream]
    assert sum(counts.rejected.values()) > 0.9 * (1 - after / 1.8) * counts.received - 1000


@pytest.mark.parametrize("stream", ["hama1", "hama2", "audio", "wrench", "gripper"])
@pytest.mark.parametrize("stamp", [0, EPOCH + 100 * SECOND])
def test_one_odd_stamp_is_refused_alone(stream, stamp):
    truth = recording(2)
    odd = next(i for i, e in enumerate(truth) if e.stream == stream and e.ready_ns > EPOCH + SECOND)
    events = list(truth)
    events[odd] = replace(truth[odd], stamps=np.full_like(truth[odd].stamps, stamp))
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run_in_order(events, truth, builder)
    assert builder.counters.resets == 0
    refused = builder.counters.streams[stream].rejected
    assert set(refused) == {"past" if stamp == 0 else "future"}
    expected = run(recording(2), 20 * MS)
    assert len(windows) == pytest.approx(len(expected), abs=1)
    assert windows[-1].mask == expected[-1].mask


@pytest.mark.parametrize("offset_ms", [-600, -300, 300, 600])
@pytest.mark.parametrize("streams", [["hama1"], ["hama1", "hama2"], ["wrench"], ["audio"]])
def test_clocks_that_disagree_a_little_cost_their_streams_only(streams, offset_ms):
    """Less than a jump and more than windows wait for: others stay whole and in time."""
    truth = recording(2)
    events = [e.moved(offset_ms * MS) if e.stream in streams else e for e in truth]
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run_in_order(events, truth, builder)
    counts = builder.counters.streams
    for name in set(STREAMS) - set(streams):
        assert counts[name].late == 0
        assert all(w.mask[name] for w in windows if 0.3 < (w.end_ns - EPOCH) / SECOND < 1.9)


def looped(first: list[Event], second: list[Event], block_ns: int):
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows, block, played = [], None, 0
    for lap in (first, second):
        begin = lap[0].ready_ns
        for event in lap:
            now = (played + event.ready_ns - begin) // block_ns
            if block is not None and now != block:
                windows += builder.poll()
            block = now
            event.feed(builder)
        played += lap[-1].ready_ns - begin
    windows += builder.poll() + builder.flush()
    return windows, builder.counters


@pytest.mark.parametrize("offset_s", [0, -30, 30, -1_600_000_000, 100_000])
@pytest.mark.parametrize("block_ms", [7, 50, 400])
def test_a_joint_jump_starts_anew_and_loses_nothing(offset_s, block_ms):
    first = recording(2)
    second = [event.moved(offset_s * SECOND) for event in recording(2, seed=1)]
    windows, counters = looped(first, second, block_ms * MS)
    starts = [k for k, window in enumerate(windows) if window.index == 0]
    assert len(starts) == 2
    assert counters.resets == 1
    assert content(windows[: starts[1]]) == content(run(first))
    assert content(windows[starts[1] :]) == content(run(second))


def test_a_bag_that_loops_three_times_gives_the_same_windows_three_times():
    lap = recording(1.5)
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = []
    for _ in range(3):
        windows += run(lap, builder=builder)[:100]
    once = content(run(lap))
    assert content(windows) == once * 3
    assert builder.counters.resets == 2


def test_a_lone_stream_may_jump():
    layout = SensorLayout(cameras=("front",), audio=False, signals=())
    builder = WindowBuilder(layout)
    image = np.zeros((2, 2, 3), np.uint8)
    windows = []
    for start in (50, 3, 90):
        for k in range(11):
            builder.add_image("front", EPOCH + start * SECOND + k * 100 * MS, image)
            windows += builder.poll()
    assert [w.index for w in windows] == [*range(10)] * 3
    assert builder.counters.resets == 2


def test_the_streams_that_are_left_may_jump_together():
    """After the jump only one of the six streams comes back."""
    first = recording(2)
    second = [e.moved(-30 * SECOND) for e in recording(3) if e.stream == "wrench"]
    windows, counters = looped(first, second, 50 * MS)
    assert counters.resets == 1
    assert sum(w.start_ns < EPOCH - 20 * SECOND for w in windows) == pytest.approx(29, abs=1)


def test_a_stream_that_returns_after_a_long_pause_is_not_on_a_wrong_clock():
    truth = recording(8)
    events = [e for e in truth if e.stream != "hama2" or not 1 < (e.stamps[0] - EPOCH) / SECOND < 6]
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run(events, builder=builder)
    assert builder.counters.resets == 0
    assert not builder.counters.streams["hama2"].rejected
    returned = [w.mask["hama2"] for w in windows if (w.end_ns - EPOCH) / SECOND > 6.2]
    assert len(returned) >= 17
    assert all(returned)


def test_a_small_step_back_costs_its_stream_and_is_not_a_jump():
    truth = recording(3)
    events = disturbed(truth, "wrench", lambda stamps: stamps - 400 * MS, after=1.5)
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run_in_order(events, truth, builder)
    assert len(windows) == pytest.approx(29.5, abs=1)
    assert builder.counters.resets == 0
    assert builder.counters.streams["wrench"].rejected["past"] > 1000
    assert "has stepped away" in builder.counters.streams["wrench"].reason
    assert not any(w.mask["wrench"] for w in windows if w.end_ns > EPOCH + 1.8 * SECOND)


@pytest.mark.parametrize("skew_ms", [0, 400])
@pytest.mark.parametrize("stream", ["hama2", "wrench", "gripper"])
def test_a_short_pause_is_not_a_step_though_the_clock_is_ahead(stream, skew_ms):
    """Less than the age from which on a camera is masked; a signal holds until then."""
    truth = recording(4)
    whole = disturbed(truth, stream, lambda stamps: stamps + skew_ms * MS)
    kept = [(e, t) for e, t in zip(whole, truth, strict=True) if e.stream != stream or outside(t)]
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run_in_order(*zip(*kept, strict=True), builder)
    assert not builder.counters.streams[stream].rejected
    ends_s = np.array([(w.end_ns - EPOCH) / SECOND for w in windows])
    settled = (ends_s > 2.9 + skew_ms / 1000) & (ends_s < 3.9)
    assert all(w.mask[stream] for w, there in zip(windows, settled, strict=True) if there)


def outside(event: Event) -> bool:
    return not 2.3 < (event.ready_ns - EPOCH) / SECOND < 2.7
