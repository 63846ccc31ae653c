# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import soxr
from sensor_rig import EPOCH, MS, SECOND, audio, content, run

from m2r2_ros.sensing.audio_clock import AudioClock
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.resampling import Resampler

LAYOUT = SensorLayout(cameras=(), signals=())


def noise(seconds: float, rate: int = 48_000, channels: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, (round(seconds * rate), channels)).astype(np.float32)


def windows_of(events, layout=LAYOUT):
    builder = WindowBuilder(layout)
    return run(events, builder=builder), builder.counters.streams["audio"]


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000, 8_000])
def test_windows_join_to_the_whole_recording(rate):
    samples = noise(1.5, rate, channels=2)
    windows, counters = windows_of(audio(samples, rate, EPOCH, chunk=rate // 50))
    joined = np.concatenate([window.audio for window in windows])
    assert all(len(window.audio) == 1600 and window.mask["audio"] for window in windows)
    assert len(windows) == 15
    mono = samples.mean(axis=1)
    delay = Resampler(rate, 16_000).delay
    whole = mono if rate == 16_000 else soxr.resample(mono, rate, 16_000, quality="HQ")
    np.testing.assert_allclose(joined[delay:], whole[: len(joined) - delay], atol=2e-6)
    assert counters.received == len(samples)
    assert (counters.gaps, counters.duplicate, counters.dropped) == (0, 0, 0)


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_no_window_hears_what_comes_after_its_end(rate):
    """Two recordings that differ from 0.7 s on have the same windows up to there."""
    one = noise(1.2, rate)
    two = one.copy()
    two[round(0.7 * rate) :] = noise(0.5, rate, seed=1)
    first, second = (windows_of(audio(x, rate, EPOCH))[0] for x in (one, two))
    assert content(first[:7]) == content(second[:7])
    assert content(first[7:]) != content(second[7:])


def test_a_click_is_heard_in_its_window_within_the_delay():
    samples = np.zeros((48_000, 1), np.float32)
    samples[round(0.43 * 48_000)] = 1.0
    windows, _ = windows_of(audio(samples, 48_000, EPOCH))
    energy = [float(np.square(window.audio).sum()) for window in windows]
    assert np.argmax(energy) == 4
    assert np.argmax(np.abs(windows[4].audio)) / 16_000 == pytest.approx(0.036, abs=1e-4)


@pytest.mark.parametrize("chunk", [1, 7, 441, 1024, 5000, 24_000])
def test_the_cut_into_chunks_does_not_matter(chunk):
    samples = noise(0.5 if chunk == 1 else 1.2)
    expected, _ = windows_of(audio(samples, 48_000, EPOCH, chunk=960))
    windows, _ = windows_of(audio(samples, 48_000, EPOCH, chunk=chunk))
    assert content(windows) == content(expected)


def test_jitter_of_the_stamps_is_ignored():
    rng = np.random.default_rng(0)
    samples = noise(5)
    events = audio(samples, 48_000, EPOCH)
    events = [events[0], *(event.moved(int(rng.integers(-4 * MS, 4 * MS))) for event in events[1:])]
    windows, counters = windows_of(events)
    assert (counters.gaps, counters.late, counters.duplicate) == (0, 0, 0)
    assert all(window.mask["audio"] for window in windows)
    joined = np.concatenate([window.audio for window in windows])
    expected = soxr.resample(samples[:, 0], 48_000, 16_000, quality="HQ")
    delay = Resampler(48_000, 16_000).delay
    np.testing.assert_allclose(joined[delay:], expected[: len(joined) - delay], atol=2e-6)
    lengths = {len(window.audio) for window in windows}
    assert lengths <= {1598, 1599, 1600, 1601, 1602}


@pytest.mark.parametrize("ppm", [-200, 200])
@pytest.mark.parametrize("jitter_ms", [0.0, 4.0])
def test_an_hour_of_drift_stays_within_five_milliseconds(ppm, jitter_ms):
    rate, chunk = 48_000, 960
    noise_ns = np.random.default_rng(0).uniform(-jitter_ms, jitter_ms, 180_000) * MS
    truth = np.arange(180_000) * (chunk / (rate * (1 + ppm * 1e-6)) * SECOND)
    stamps = np.round(EPOCH + truth + noise_ns).astype(np.int64).tolist()
    clock, limits = AudioClock(rate, EPOCH), SensingLimits()
    worst = 0.0
    for true_ns, stamp in zip(truth.tolist(), stamps, strict=True):
        worst = max(worst, abs(clock.end_ns - EPOCH - true_ns))
        clock.advance(stamp, chunk, limits)
    assert worst < 5 * MS


def test_a_drifting_microphone_loses_no_sample():
    """2,000 ppm, many times what a sound card does: every sample comes out, and once."""
    rate = 16_000
    samples = noise(20, rate)
    events = audio(samples, rate, EPOCH, chunk=320)
    events = [event.moved(round((event.stamps[0] - EPOCH) * 0.002)) for event in events]
    windows, counters = windows_of(events)
    joined = np.concatenate([window.audio for window in windows])
    np.testing.assert_array_equal(joined, samples[: len(joined), 0])
    settled = [len(window.audio) for window in windows[100:]]
    # Unfollowed it would be 1600; the clock has nearly settled after two time constants.
    assert np.mean(settled) == pytest.approx(1600 / 1.002, abs=0.3)
    assert counters.gaps == 0


def test_a_hole_masks_the_windows_that_it_touches():
    events = audio(noise(1.5), 48_000, EPOCH)
    # 20 ms chunks: 480 to 540 ms are missing.
    windows, counters = windows_of(events[:24] + events[27:])
    masked = [k for k, window in enumerate(windows) if not window.mask["audio"]]
    assert masked == [4, 5]
    assert all(len(windows[k].audio) == 0 for k in masked)
    assert counters.gaps == 1
    assert counters.masked == 2
    whole, _ = windows_of(events)
    # The first 12 ms after the hole lack the filter's past; later windows are as without it.
    assert content(windows[6:]) == content(whole[6:])


def test_audio_that_ends_masks_the_rest():
    layout = SensorLayout(cameras=(), signals=("gripper",))
    builder = WindowBuilder(layout)
    for event in audio(noise(0.5), 48_000, EPOCH):
        event.feed(builder)
    stamps = EPOCH + np.arange(0, 1000, 10) * MS
    builder.add_signal("gripper", stamps, np.zeros((100, 1)))
    masks = [window.mask for window in builder.poll() + builder.flush()]
    assert [mask["audio"] for mask in masks] == [True] * 5 + [False] * 4
    assert all(mask["gripper"] for mask in masks)


def test_repeated_and_overlapping_audio_is_dropped_and_counted():
    events = audio(noise(1.0), 48_000, EPOCH)
    expected, _ = windows_of(events)
    twice = [event for event in events for _ in range(2)]
    windows, counters = windows_of(twice)
    assert content(windows) == content(expected)
    # The last one waits for a window that needs it.
    assert counters.duplicate == 48_000 - 960
    # A chunk of 100 ms that repeats the last 60 ms.
    samples = noise(1.0)
    events = audio(samples[:24_000], 48_000, EPOCH)
    events += audio(samples[24_000 - 2880 : 24_000 + 1920], 48_000, EPOCH + 440 * MS, 4800)
    events += audio(samples[25_920:], 48_000, EPOCH + 540 * MS)
    windows, counters = windows_of(events)
    assert content(windows) == content(expected)
    assert (counters.duplicate, counters.gaps) == (2880, 0)


def test_audio_that_comes_too_late_is_counted_and_masked():
    layout = SensorLayout(cameras=(), signals=("gripper",))
    builder = WindowBuilder(layout)
    events = audio(noise(1.0), 48_000, EPOCH)
    stamps = EPOCH + np.arange(0, 1000, 10) * MS
    windows = []
    for k in range(100):
        builder.add_signal("gripper", stamps[k : k + 1], np.zeros((1, 1)))
        # From 0.5 s on, chunks are 0.2 s late.
        for event in events:
            arrival = event.ready_ns + 200 * MS * int(event.stamps[0] >= EPOCH + 500 * MS)
            if 0 <= arrival - stamps[k] < 10 * MS:
                event.feed(builder)
        windows += builder.poll()
    masks = [window.mask["audio"] for window in windows]
    assert masks[:5] == [True] * 5
    assert not any(masks[5:])
    assert len(masks) >= 9
    # The first window waited for them: a longer chunk could have been on its way.
    assert builder.counters.streams["audio"].late >= 0.2 * 48_000


def test_chunks_out_of_order_are_put_in_order():
    events = audio(noise(1.0), 48_000, EPOCH)
    expected, _ = windows_of(events)
    builder = WindowBuilder(LAYOUT)
    for k in range(0, 50, 2):
        events[k + 1].feed(builder)
        events[k].feed(builder)
    assert content(builder.poll() + builder.flush()) == content(expected)
    assert builder.counters.streams["audio"].out_of_order == 24_000


def test_a_change_of_rate_starts_anew():
    events = audio(noise(0.5), 48_000, EPOCH)
    events += audio(noise(0.5, 44_100), 44_100, EPOCH + 500 * MS, 882)
    windows, counters = windows_of(events)
    assert len(windows) == 10
    assert all(len(window.audio) == 1600 for window in windows)
    assert counters.gaps == 1


@pytest.mark.parametrize(
    ("samples", "rate", "reason"),
    [
        (np.zeros((480, 1), np.int16), 48_000, "malformed"),
        (np.zeros((480, 0), np.float32), 48_000, "malformed"),
        (np.zeros((480, 1), np.float32), 0, "malformed"),
        (np.zeros((480, 1), np.float32), -5, "malformed"),
        (np.zeros((480, 1), np.float32), 1, "malformed"),
        (np.zeros((480_001, 1), np.float32), 48_000, "malformed"),
        (np.zeros((480, 1), np.float32), 10**9, "malformed"),
        (np.zeros((2, 2, 120), np.float32), 48_000, "malformed"),
    ],
)
def test_what_is_no_audio_is_refused_and_counted(samples, rate, reason):
    builder = WindowBuilder(LAYOUT)
    builder.add_audio(EPOCH, samples, rate)
    counters = builder.counters.streams["audio"]
    assert counters.rejected == {reason: len(samples)}
    assert builder.poll() + builder.flush() == []


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "nan"), (-np.inf, "nan"), (9.0, "range")])
@pytest.mark.parametrize("rate", [48_000, 16_000])
def test_samples_that_are_no_measurement_mask_the_windows_they_touch(value, reason, rate):
    samples = noise(1.0, rate, channels=2)
    samples[round(0.45 * rate) : round(0.46 * rate), 1] = value
    windows, counters = windows_of(audio(samples, rate, EPOCH))
    assert [window.mask["audio"] for window in windows] == [k != 4 for k in range(10)]
    assert counters.rejected == {reason: rate // 100}
    assert counters.gaps == 0
