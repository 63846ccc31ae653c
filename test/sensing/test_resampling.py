# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import soxr

from m2r2_ros.sensing.resampling import REACH, Resampler

RATES = [48_000, 44_100, 96_000, 22_050, 8_000, 16_001]


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


def pieces(samples: np.ndarray, rate: int, stops: list[int]) -> np.ndarray:
    """Output [0, stops[-1]) made piece by piece, each from no later input than it may have."""
    resampler = Resampler(rate, 16_000)
    parts, first = [], 0
    for stop in stops:
        offset = resampler.first_input(first)
        last = -(-stop * rate // 16_000)
        parts.append(resampler.resample(samples[offset:last], offset, first, stop))
        first = stop
    return np.concatenate(parts)


@pytest.mark.parametrize("rate", RATES)
def test_pieces_join_to_the_delayed_whole(rate):
    samples = noise(rate)
    stops = [1, 40, 41, 700, 2300, 3900, 5500, 9000, 16_000]
    result = pieces(samples, rate, stops)
    delay = Resampler(rate, 16_000).delay
    whole = soxr.resample(samples, rate, 16_000, quality="HQ")[: 16_000 - delay]
    assert len(result) == 16_000
    assert not result[:delay].any()
    np.testing.assert_allclose(result[delay:], whole, atol=2e-6)


@pytest.mark.parametrize("rate", RATES)
def test_the_delay_covers_the_filter(rate):
    """Later input does not change an output that is REACH samples (of the slower rate) old."""
    samples = noise(rate)
    cut = rate // 2
    other = samples.copy()
    other[cut:] = noise(rate - cut, seed=1)
    one, two = (soxr.resample(x, rate, 16_000, quality="HQ") for x in (samples, other))
    settled = cut * 16_000 // rate - REACH * 16_000 // min(rate, 16_000)
    np.testing.assert_allclose(one[:settled], two[:settled], atol=1e-6)


def test_equal_rates_pass_through():
    samples = noise(500)
    np.testing.assert_array_equal(pieces(samples, 16_000, [3, 160, 161, 500]), samples)
