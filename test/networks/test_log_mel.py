# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from m2r2_ros.networks.log_mel import HOP, MEL_FILTERS, WINDOW, LogMel, frame_count

RATE_HZ = 16_000


def signal(samples: int) -> np.ndarray:
    time = np.arange(samples) / RATE_HZ
    noise = np.random.default_rng(0).normal(size=samples)
    return (
        0.3 * np.sin(2 * np.pi * 440 * time) + 0.1 * np.sin(2 * np.pi * 5000 * time) + 0.01 * noise
    )


def test_decibels_equal_an_independent_implementation():
    audio_utils = pytest.importorskip("transformers.audio_utils")
    samples = WINDOW + 9 * HOP
    filters = audio_utils.mel_filter_bank(
        WINDOW // 2 + 1, MEL_FILTERS, 0.0, RATE_HZ / 2, RATE_HZ, norm=None, mel_scale="htk"
    )
    expected = audio_utils.spectrogram(
        signal(samples),
        audio_utils.window_function(WINDOW, "hann"),
        WINDOW,
        HOP,
        power=2.0,
        center=False,
        mel_filters=filters,
        mel_floor=1e-10,
        log_mel="dB",
        min_value=1e-10,
    ).T
    found = LogMel(RATE_HZ, samples)(torch.from_numpy(signal(samples)).float()[None])
    assert found.shape == (1, 10, MEL_FILTERS)
    np.testing.assert_allclose(found[0].numpy(), expected, atol=2e-2)


def test_the_last_frame_ends_at_the_last_sample():
    mel = LogMel(RATE_HZ, 2401)
    audio = torch.zeros(1, 2401)
    audio[0, -200] = 1.0
    energy = mel(audio).sum(-1)[0]
    assert energy.argmax() == mel.frames - 1
    assert energy[-1] > energy[-2] > energy[-3] == energy[0]


@pytest.mark.parametrize(
    "length, frames", [(0, 0), (1, 1), (400, 1), (401, 2), (560, 2), (561, 3), (1600, 9)]
)
def test_frames_that_hold_samples_are_valid(length, frames):
    valid = LogMel(RATE_HZ, 2401).valid_frames(torch.tensor([length]))
    assert valid.sum() == frames
    assert valid[0, valid.shape[1] - frames :].all()


def test_capacity_is_covered_by_whole_frames():
    assert [frame_count(n) for n in (1, 400, 401, 560, 561)] == [1, 1, 2, 2, 3]


def test_silence_is_finite():
    assert torch.equal(LogMel(RATE_HZ, 800)(torch.zeros(1, 800)).unique(), torch.tensor([-100.0]))
