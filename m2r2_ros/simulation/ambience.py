# SPDX-License-Identifier: Apache-2.0
"""What microphones hear beside the work: the room's echo, fans, gears and other people."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, iirpeak, lfilter, oaconvolve

from m2r2_ros.simulation.difficulties import day_stream, stream
from m2r2_ros.simulation.sounds import RATE_HZ, pink_noise

_ECHO_S, _ECHO_SHARE = (0.4, 0.8), (0.15, 0.4)  # decay to -60 dB; energy beside the direct sound
_BACKGROUND_DB = (-54.0, -44.0)
_GEARS = 2.0  # added to what the hand's microphone hears of the arm
_SECONDS_AN_EVENT, _EVENT_DB = 12.0, (-46.0, -30.0)
_TALK_S, _SYLLABLES_HZ = (1.0, 4.0), (3.0, 6.0)
_VOICE_HZ = (250.0, 2800.0)
_KNOCKS, _KNOCK_S = (1, 5), 0.25
_OTHER_CUTOFF_HZ, _OTHER_RESONANCE_HZ, _OTHER_GAIN = 3500.0, 1200.0, 0.5


class Ambience:
    """One recording's room: called with a microphone's sound (M, channels), gives what it picks up.

    Other people are the same for all microphones, each at a distance of its own.
    """

    def __init__(self, seed: int, length: int):
        self._rng = stream(seed, "noise")
        self._echo_s = day_stream(seed, "noise").uniform(*_ECHO_S)
        self._others = others(length, self._rng)

    def __call__(self, sound: np.ndarray, arm: np.ndarray | None = None) -> np.ndarray:
        """`arm` (M,): the arm's own sound, where the microphone is screwed to it."""
        rng = self._rng
        heard = sound if arm is None else sound + _GEARS * arm[:, None]
        share, level = rng.uniform(*_ECHO_SHARE), _amplitude(rng.uniform(*_BACKGROUND_DB))
        near = rng.uniform(0.6, 1.4)
        channels = [
            channel
            + share * echo(channel, self._echo_s, rng)
            + level * pink_noise(len(channel), rng)
            + near * self._others
            for channel in heard.T
        ]
        return np.stack(channels, axis=1)


def echo(sound: np.ndarray, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    """The sound after a diffuse room of unit energy that decays by 60 dB in `decay_s`."""
    time = np.arange(round(decay_s * RATE_HZ)) / RATE_HZ
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / decay_s)
    return oaconvolve(sound, tail / np.linalg.norm(tail))[: len(sound)]


def others(length: int, rng: np.random.Generator) -> np.ndarray:
    """Talk, knocks and steps (length,) at moments that have nothing to do with the work."""
    heard = np.zeros(length)
    for start in rng.integers(0, length, rng.poisson(length / RATE_HZ / _SECONDS_AN_EVENT)):
        event = (_talk, _knocks)[rng.integers(2)](rng)[: length - start]
        loud = _amplitude(rng.uniform(*_EVENT_DB)) / max(np.sqrt(np.mean(event**2)), 1e-9)
        heard[start : start + len(event)] += loud * event
    return heard


def other_microphone(sound: np.ndarray) -> np.ndarray:
    """The sound (M, channels) as a poorer microphone takes it."""
    b, a = butter(4, _OTHER_CUTOFF_HZ, fs=RATE_HZ)
    peak = iirpeak(_OTHER_RESONANCE_HZ, 4.0, fs=RATE_HZ)
    return _OTHER_GAIN * (lfilter(b, a, sound, axis=0) + lfilter(*peak, sound, axis=0))


def _talk(rng: np.random.Generator) -> np.ndarray:
    """A voice's harmonics and breath in syllables."""
    time = np.arange(round(rng.uniform(*_TALK_S) * RATE_HZ)) / RATE_HZ
    syllables = np.maximum(0, np.sin(2 * np.pi * rng.uniform(*_SYLLABLES_HZ) * time)) ** 0.7
    pitch_hz = rng.uniform(90, 230) * (1 + 0.1 * np.sin(2 * np.pi * 0.8 * time))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    buzz = sum(np.sin(k * phase) / k for k in range(1, 16))
    b, a = butter(2, _VOICE_HZ, "bandpass", fs=RATE_HZ)
    return syllables * lfilter(b, a, buzz + 0.3 * rng.normal(size=len(time)))


def _knocks(rng: np.random.Generator) -> np.ndarray:
    """Steps, a door, a tool that is put down: low thuds, some 0.5 s apart."""
    count = rng.integers(*_KNOCKS)
    time = np.arange(round(_KNOCK_S * RATE_HZ)) / RATE_HZ
    heard = np.zeros(round((0.6 * count + _KNOCK_S) * RATE_HZ))
    pitch_hz, decay = rng.uniform(70, 600), rng.uniform(20, 60)
    for index in range(count):
        start = round((0.55 * index + rng.uniform(0, 0.05)) * RATE_HZ)
        thud = np.exp(-decay * time) * np.sin(2 * np.pi * pitch_hz * time)
        heard[start : start + len(time)] += rng.uniform(0.5, 1) * thud
    return heard


def _amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))
