# SPDX-License-Identifier: Apache-2.0
"""What holds for every way in which messages can come."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sensor_rig import EPOCH, MS, SECOND, Event, content, recording, run

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.time_line import NEVER_NS

EVENTS = recording(1.5, seed=3)
EXPECTED = content(run(EVENTS, 50 * MS))
STREAMS = REASSEMBLE_LAYOUT.modalities


@pytest.mark.parametrize("block_ms", [1, 13, 100, 333, 1000, 10_000])
def test_coarse_and_fine_blocks_give_the_same_windows(block_ms):
    assert content(run(EVENTS, block_ms * MS)) == EXPECTED


def split(event: Event, cuts: list[int]) -> list[Event]:
    """A signal's message as several, an audio chunk as several; frames stay whole."""
    if event.stream.startswith("hama"):
        return [event]
    bounds = [0, *sorted({cut % len(event.payload) for cut in cuts} - {0}), len(event.payload)]
    parts = []
    for begin, end in pairwise(bounds):
        stamps = event.stamps[begin:end]
        if event.rate_hz:
            stamps = event.stamps + begin * SECOND // event.rate_hz
        parts.append(Event(event.stream, stamps, event.payload[begin:end], event.rate_hz))
    return parts


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    delays=st.lists(st.integers(0, 40), min_size=len(STREAMS), max_size=len(STREAMS)),
    cuts=st.lists(st.integers(0, 5000), max_size=3),
    block_ms=st.integers(1, 120),
    seed=st.integers(0, 2**32 - 1),
)
def test_arrival_does_not_matter(delays, cuts, block_ms, seed):
    """Streams lag by up to 40 ms, messages are cut anew, rows of a message are shuffled."""
    rng = np.random.default_rng(seed)
    delay = dict(zip(STREAMS, delays, strict=True))
    parts = [part for event in EVENTS for part in split(event, cuts)]
    for k, part in enumerate(parts):
        if part.stream in REASSEMBLE_LAYOUT.signals:
            order = rng.permutation(len(part.stamps))
            parts[k] = Event(part.stream, part.stamps[order], part.payload[order])

    def arrival(event: Event) -> int:
        return event.ready_ns + delay[event.stream] * MS

    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run(sorted(parts, key=arrival), block_ms * MS, builder, arrival)
    assert all(counts.late == 0 for counts in builder.counters.streams.values())
    assert content(windows) == EXPECTED


@settings(max_examples=25, deadline=None)
@given(st.integers(-NEVER_NS, NEVER_NS - 10 * SECOND))
@example(NEVER_NS - 10 * SECOND)
def test_the_epoch_does_not_matter(epoch):
    """Anywhere between the stamps that no clock shows; the recording is shorter than 10 s."""
    offset = epoch - EPOCH
    windows = run([event.moved(offset) for event in EVENTS[:600]])
    # Not compared within `assert`: where CI=true, pytest would spend an hour on the difference.
    same = content(windows, offset) == content(run(EVENTS[:600]))
    assert same


def test_the_windows_do_not_alias_each_other_or_the_buffers():
    windows = run(EVENTS)
    before = content(windows)
    for window in windows:
        for rows in window.signals.values():
            assert (
                rows.base is None
                or not np.shares_memory(rows, windows[0].signals["wrench"])
                or window is windows[0]
            )
    assert content(windows) == before


STAMPS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 3000).map(lambda ms: EPOCH + ms * MS),
    st.sampled_from([0, -1, EPOCH, EPOCH + 10 * SECOND, 2**63 - 1, -(2**63)]),
)
VALUES = st.sampled_from([0.0, 1.0, -0.3, np.nan, np.inf, -np.inf, 1e30, 1e-300])
OPERATIONS = st.one_of(
    st.tuples(st.just("frame"), st.sampled_from(["hama1", "hama2"]), STAMPS, st.integers(0, 3)),
    st.tuples(st.just("rows"), st.sampled_from(["pose", "gripper"]),
              st.lists(STAMPS, max_size=5), VALUES),
    st.tuples(st.just("steps"), st.sampled_from(["pose", "gripper"]), STAMPS,
              st.integers(1, 300), st.integers(0, 20 * MS)),
    st.tuples(st.just("audio"), STAMPS, st.integers(0, 3000), VALUES,
              st.sampled_from([16_000, 48_000, 44_100, 1, 0, -7, 12_345])),
    st.tuples(st.just("poll")), st.tuples(st.just("poll")), st.tuples(st.just("flush")),
    st.tuples(st.just("reset")),
)  # fmt: skip
SMALL = replace(REASSEMBLE_LAYOUT, signals=("pose", "gripper"))
LIMITS = SensingLimits(buffer_s=1.0, max_signal_rate_hz=200, max_audio_rate_hz=48_000)


def apply(builder: WindowBuilder, operation: tuple) -> list:
    kind, *rest = operation
    if kind == "frame":
        images = [np.zeros((2, 2, 3), np.uint8), None, np.zeros(3), lambda: np.zeros((1, 1, 3))]
        builder.add_image(rest[0], rest[1], images[rest[2]])
    elif kind == "rows":
        columns = 7 if rest[0] == "pose" else 1
        values = np.full((len(rest[1]), columns), rest[2])
        builder.add_signal(rest[0], np.array(rest[1], np.int64), values)
    elif kind == "steps":
        columns = 7 if rest[0] == "pose" else 1
        stamps = np.array([rest[1]]) + np.arange(rest[2]) * rest[3]
        builder.add_signal(rest[0], stamps, np.full((rest[2], columns), 0.5))
    elif kind == "audio":
        builder.add_audio(rest[0], np.full((rest[1], 2), rest[2], np.float32), rest[3])
    else:
        return getattr(builder, kind)() or []
    return []


def check(window, previous, layout: SensorLayout) -> None:
    duration = window.end_ns - window.start_ns
    assert 0 < duration <= layout.longest_window_ns
    if window.index:
        assert (window.index, window.start_ns) == (previous.index + 1, previous.end_ns)
    assert set(window.mask) == set(layout.modalities)
    assert set(window.images) | set(window.signals) == {
        name for name, there in window.mask.items() if there and name != "audio"
    }
    assert len(window.audio) <= layout.audio_capacity
    assert window.mask["audio"] or not len(window.audio)
    assert np.isfinite(window.audio).all()
    for name, rows in window.signals.items():
        assert 0 < len(rows) <= layout.signal_capacity(name)
        assert np.isfinite(rows).all()
        assert (np.abs(rows) <= 100).all()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OPERATIONS, max_size=60))
def test_no_input_breaks_a_window(operations):
    builder = WindowBuilder(SMALL, LIMITS)
    previous = None
    with np.errstate(all="raise", under="ignore"):
        for operation in operations:
            for window in apply(builder, operation):
                check(window, previous, SMALL)
                previous = window
    for stream in builder._streams.values():
        assert stream.inbox.size <= 48_000
