# SPDX-License-Identifier: Apache-2.0
"""The same sound in chunks of any length that is accepted gives the same windows, bit for bit.

A chunk can be published when its last sample was taken, so live a window waits for the chunk that
holds its end: `max_audio_chunk_s` at most, which is as long as a causal system can be kept waiting.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sensor_rig import EPOCH, MS, SECOND, Event, content, recording, run

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.limits import SensingLimits, to_ns

LONGEST_S = SensingLimits.max_audio_chunk_s
SECONDS = 4.0
SEEDS = range(50)


def cut(samples: np.ndarray, rate_hz: int, lengths_s) -> list[Event]:
    """The sound in chunks of these lengths, in turn, with exact stamps."""
    events, begin = [], 0
    while begin < len(samples):
        end = begin + max(1, round(next(lengths_s) * rate_hz))
        stamp = EPOCH + begin * SECOND // rate_hz
        events.append(Event("audio", np.array([stamp]), samples[begin:end], rate_hz))
        begin = end
    return events


def random_lengths(seed: int):
    """From a millisecond to the longest, short and long ones alike."""
    rng = np.random.default_rng(seed)
    while True:
        yield min(LONGEST_S, float(np.exp(rng.uniform(np.log(0.001), np.log(1.05 * LONGEST_S)))))


def constant(length_s: float):
    while True:
        yield length_s


def sound(rate_hz: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, (round(SECONDS * rate_hz), 1)).astype(np.float32)


def live(chunks, transport_ms: int = 0, block_ms: int = 10, seed: int = 0):
    """All streams as they arrive: a chunk when it is complete and has been on its way.

    Messages of different topics overtake each other, those of one topic do not.
    """
    others = [event for event in recording(SECONDS, seed) if event.stream != "audio"]
    rng = np.random.default_rng(seed)
    events = [*others, *chunks]
    arrivals, latest = {}, {}
    for event in sorted(events, key=lambda event: event.ready_ns):
        arrival = event.ready_ns + int(rng.integers(0, transport_ms + 1)) * MS
        arrivals[id(event)] = latest[event.stream] = max(arrival, latest.get(event.stream, 0))
    events.sort(key=lambda event: arrivals[id(event)])
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = run(events, block_ms * MS, builder, lambda event: arrivals[id(event)])
    return windows, builder.counters.streams["audio"]


@pytest.fixture(scope="module")
def reference():
    """Rate -> the windows of chunks of 20 ms."""
    return {r: live(cut(sound(r), r, constant(0.02)))[0] for r in (16_000, 44_100, 48_000)}


def test_the_reference_hears_everything(reference):
    for windows in reference.values():
        assert len(windows) >= 10 * SECONDS - 2
        assert all(window.mask["audio"] for window in windows)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_cut_gives_the_same_windows(seed, reference):
    rate_hz = (16_000, 44_100, 48_000)[seed % 3]
    chunks = cut(sound(rate_hz), rate_hz, random_lengths(seed))
    windows, counters = live(chunks, transport_ms=seed % 4 * 5, block_ms=(2, 10, 50)[seed % 3])
    assert content(windows) == content(reference[rate_hz])
    assert (counters.late, counters.gaps, sum(counters.rejected.values())) == (0, 0, 0)


@pytest.mark.parametrize("length_s", [0.001, 0.02, 0.1, 0.25, 0.3, 0.4, LONGEST_S])
def test_masks_do_not_grow_with_the_length(length_s, reference):
    windows, _ = live(cut(sound(48_000), 48_000, constant(length_s)))
    assert content(windows) == content(reference[48_000])


@pytest.mark.parametrize("length_s", [0.51, 0.6, 1.0, 5.0])
def test_longer_ones_are_refused_by_name(length_s):
    windows, counters = live(cut(sound(48_000), 48_000, constant(length_s)))
    refused = [n for n in (round(length_s * 48_000),) for _ in range(len(sound(48_000)) // n)]
    assert counters.rejected["long"] >= sum(refused)
    assert "max_audio_chunk_s" in counters.reason or counters.received > sum(refused)
    assert not any(window.mask["audio"] for window in windows[:5])


def test_a_microphone_that_falls_silent_is_waited_for_no_longer():
    chunks = cut(sound(48_000), 48_000, constant(0.02))
    dead_ns = EPOCH + 2 * SECOND
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    others = [event for event in recording(SECONDS) if event.stream != "audio"]
    events = [*others, *(e for e in chunks if e.stamps[0] < dead_ns)]
    waited = []
    for event in sorted(events, key=lambda event: event.ready_ns):
        event.feed(builder)
        waited += [event.ready_ns - window.end_ns for window in builder.poll()]
    assert max(waited) < to_ns(LONGEST_S + SensingLimits.max_wait_s) + 150 * MS
    # Once it is known to be silent, windows are as prompt as without it.
    assert waited[-1] < 60 * MS


def test_stamps_that_jitter_give_live_what_they_give_offline():
    """Cut and stamps are the recording's then; what differs is when the messages arrive."""
    rng = np.random.default_rng(0)
    chunks = [
        replace(chunk, stamps=chunk.stamps + rng.integers(-3 * MS, 3 * MS))
        for chunk in cut(sound(48_000), 48_000, random_lengths(1))
    ]
    first = live(chunks, transport_ms=0, block_ms=50)[0]
    for transport_ms, block_ms in ((5, 2), (15, 10), (15, 1)):
        assert content(live(chunks, transport_ms, block_ms)[0]) == content(first)
