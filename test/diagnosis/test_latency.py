# SPDX-License-Identifier: Apache-2.0
"""Quantiles of the last minute, against NumPy over all readings of that minute."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from m2r2_ros.diagnosis.latency import Latency, LongestWait

SECOND_NS = 1_000_000_000


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_are_those_of_the_last_minute(seed):
    random = np.random.default_rng(seed)
    times = np.cumsum(random.exponential(0.1, 2000))
    late_ns = random.gamma(2.0, 20e6, 2000).astype(int)
    latency = Latency("x")
    for index, (steady_s, late) in enumerate(zip(times, late_ns, strict=True)):
        stamp_ns = 1_700_000_000 * SECOND_NS + index
        latency.note(stamp_ns, stamp_ns + int(late), steady_s)
        if index % 500 == 7:
            recent = late_ns[: index + 1][times[: index + 1] >= steady_s - 60] / 1e6
            want = np.quantile(recent, [0.5, 0.95, 0.99])
            assert list(latency.quantiles(steady_s).values()) == pytest.approx(want)
    assert all(map(math.isnan, latency.quantiles(times[-1] + 61).values()))


def test_memory_is_bounded_at_any_rate():
    latency = Latency("x")
    for index in range(20_000):
        latency.note(0, index, steady_s=index * 1e-4)
    assert sum(map(len, (latency._times, latency._readings))) == 12_000
    assert sys.getsizeof(latency._readings) < 200_000


def test_stamps_of_another_clock_are_no_latency():
    latency = Latency("x")
    latency.note(0, 1_700_000_000 * SECOND_NS, steady_s=0)
    assert latency.values()["x_apart_s"] == 1_700_000_000
    assert all(map(math.isnan, latency.quantiles(0).values()))
    latency.note(SECOND_NS, 1_030_000_000, steady_s=0)
    assert latency.quantiles(0)["p50"] == 30
    assert "x_apart_s" not in latency.values()


def noted(late_ms, count=20):
    latency = Latency("x")
    for _ in range(count):
        latency.note(SECOND_NS, SECOND_NS + round(late_ms * 1e6))
    return latency


def test_it_complains_beyond_a_window_only():
    assert noted(99).complaint("predictions", 100) == ""
    line = "predictions come 101 ms after their stamps (p95 of a minute), later than a window"
    assert noted(101).complaint("predictions", 100) == f"{line} of 100 ms"
    assert noted(101, count=19).complaint("predictions", 100) == ""
    assert noted(-250).complaint("predictions", 100).startswith("stamps are 250 ms ahead")


def test_the_longest_wait_is_that_since_it_was_asked_for():
    waited = LongestWait()
    for wait_ns in (3_000_000, 7_000_000, -1):
        waited.note(wait_ns)
    assert waited.take_ms() == 7
    assert waited.take_ms() == 0
