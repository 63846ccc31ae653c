# SPDX-License-Identifier: Apache-2.0
"""What there is to hear: contact events, sliding, latches, the gripper's motor, the arm, the room.

A jump of contact force strikes the modes of each material that takes part in it (damped
sinusoids, as a struck body rings); sliding friction is noise in the materials' bands; a latch
snaps; motors hum at a pitch that follows their speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import butter, lfilter, oaconvolve

from m2r2_ros.simulation.tape import MATERIALS, Tape

RATE_HZ = 16_000
_RING_S = 0.25
_LEAST_JUMP_N = 1.5
_CHATTER_S = 0.012
_LOUDNESS_EXPONENT = 0.45  # compresses the range of impacts as a small microphone does
_IMPACT_GAIN, _SCRAPE_GAIN, _SNAP_GAIN = 0.035, 0.05, 0.12
_FINGER_GAIN, _ARM_GAIN = 0.10, 0.004
_SNAP_AGAIN_S = 0.05

# Frequency [Hz], decay [1/s] and gain of each mode.
MODES: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "wood": ((180, 45, 1.0), (410, 70, 0.6), (760, 110, 0.35), (1300, 160, 0.2)),
    "acrylic": ((620, 60, 1.0), (1430, 90, 0.7), (2350, 130, 0.4), (3900, 200, 0.2)),
    "steel": ((2900, 18, 0.8), (4700, 22, 1.0), (6300, 30, 0.7), (7300, 40, 0.4)),
    "nylon": ((850, 150, 1.0), (1750, 220, 0.6), (3100, 300, 0.3)),
    "plastic": ((1150, 110, 1.0), (2250, 160, 0.8), (4100, 240, 0.5), (5900, 320, 0.3)),
    "finger": ((330, 190, 0.7), (900, 260, 0.4), (2100, 350, 0.2)),
    "arm": ((120, 60, 1.0), (270, 90, 0.5)),
}
_SNAP = ((700, 150, 0.4), (2600, 260, 1.0), (4300, 320, 0.9), (6100, 400, 0.7))
_RUB_BANDS_HZ: Mapping[str, tuple[float, float]] = {
    "wood": (250, 1600),
    "acrylic": (700, 3600),
    "steel": (2600, 7400),
    "nylon": (500, 2400),
    "plastic": (1000, 5000),
    "finger": (200, 1200),
    "arm": (200, 1000),
}


@dataclass(frozen=True)
class Sounds:
    """What each source would sound like from a hand's length away: (M,) each, at RATE_HZ."""

    contacts: np.ndarray
    fingers: np.ndarray
    arm: np.ndarray


def emit(tape: Tape, rng: np.random.Generator) -> Sounds:
    """The sounds of what a tape holds."""
    length = round(tape.duration_s * RATE_HZ)
    contacts = _SNAP_GAIN * ring(snaps(tape.click, tape.step_s, length, rng), _SNAP, rng)
    for index, material in enumerate(MATERIALS):
        train = strikes(tape.impact[:, index], tape.step_s, length, rng)
        contacts += _IMPACT_GAIN * ring(train, MODES[material], rng)
        power = _stretch(tape.scrape[:, index], tape.step_s, length)
        contacts += _SCRAPE_GAIN * rub(power, _RUB_BANDS_HZ[material], rng)
    finger_speed = np.abs(tape.fingers[:, 2:4]).mean(axis=1)
    fingers = _FINGER_GAIN * _finger_motor(_stretch(finger_speed, tape.tick_s, length), rng)
    arm = np.zeros(length)
    for joint, speed in enumerate(np.abs(tape.arm[:, 7:14]).T):
        arm += _ARM_GAIN * _whine(_stretch(speed, tape.tick_s, length), 90 + 17 * joint, 260.0)
    return Sounds(contacts, fingers, arm)


def strikes(force: np.ndarray, step_s: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """Impulse train (length,): an impulse where the force jumps, at a random moment of the step.

    A jump counts from the highest force of the last moments: simulated contacts chatter from
    step to step, real ones do not.
    """
    rows = round(_CHATTER_S / step_s)
    recent = maximum_filter1d(force, rows, origin=(rows - 1) // 2, mode="nearest")
    jump = np.diff(force, prepend=force[:1])
    jump[1:] = np.minimum(jump[1:], force[1:] - recent[:-1])
    hits = np.flatnonzero(jump > _LEAST_JUMP_N)
    samples = ((hits + rng.uniform(size=len(hits))) * step_s * RATE_HZ).astype(int)
    train = np.zeros(length)
    np.add.at(train, np.minimum(samples, length - 1), jump[hits] ** _LOUDNESS_EXPONENT)
    return train


def snaps(click: np.ndarray, step_s: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """Impulse train (length,) where a latch gives way: its force (N,) [N] turns round."""
    turns = np.flatnonzero(click[1:] * click[:-1] < 0) + 1
    turns = turns[np.diff(turns, prepend=-np.inf) * step_s > _SNAP_AGAIN_S]
    strength = maximum_filter1d(np.abs(click), round(_SNAP_AGAIN_S / step_s), mode="nearest")
    samples = ((turns + rng.uniform(size=len(turns))) * step_s * RATE_HZ).astype(int)
    train = np.zeros(length)
    np.add.at(train, np.minimum(samples, length - 1), strength[turns] ** _LOUDNESS_EXPONENT)
    return train


def ring(train: np.ndarray, modes, rng: np.random.Generator) -> np.ndarray:
    """The impulse train struck on a set of modes; no two specimens ring quite alike."""
    time = np.arange(round(_RING_S * RATE_HZ)) / RATE_HZ
    response = np.zeros(len(time))
    for frequency, decay, gain in modes:
        pitch = frequency * (1 + rng.normal(0, 0.02))
        response += gain * np.exp(-decay * time) * np.sin(2 * np.pi * pitch * time)
    return oaconvolve(train, response)[: len(train)]


def room_noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Pink-like background with mains hum, at a level of its own for every recording."""
    level = 10 ** rng.uniform(-3.2, -2.6)
    pink = pink_noise(length, rng)
    time = np.arange(length) / RATE_HZ
    hum = np.sin(2 * np.pi * 50 * time) + 0.4 * np.sin(2 * np.pi * 150 * time)
    return level * (pink + rng.uniform(0.1, 0.5) * hum)


def pink_noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Noise (length,) that is louder in the depths, as a fan's is, of unit spread."""
    white = rng.normal(size=length)
    pink = lfilter([0.05], [1, -0.95], white) + 0.1 * white
    return pink / pink.std()


def rub(power: np.ndarray, band_hz, rng: np.random.Generator) -> np.ndarray:
    """Noise in a band, as loud as the friction power (M,) [W] makes it."""
    b, a = butter(2, band_hz, "bandpass", fs=RATE_HZ)
    return np.sqrt(np.minimum(power, 4.0)) * lfilter(b, a, rng.normal(size=len(power)))


def _finger_motor(speed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pitch = 1 + rng.normal(0, 0.03)
    loud = np.minimum(speed / 0.05, 1.5)
    tone = _whine(loud, 240 * pitch, 420 * pitch)
    return tone + 0.15 * loud * rng.normal(size=len(speed))


def _whine(speed: np.ndarray, base_hz: float, slope_hz: float) -> np.ndarray:
    """Three harmonics whose pitch and loudness follow the speed."""
    phase = 2 * np.pi * np.cumsum(base_hz + slope_hz * speed) / RATE_HZ
    tone = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    return np.minimum(speed, 2.0) * tone


def _stretch(values: np.ndarray, step_s: float, length: int) -> np.ndarray:
    """Values on the tape's grid, interpolated to audio samples."""
    grid = step_s * np.arange(1, len(values) + 1)
    return np.interp(np.arange(length) / RATE_HZ, grid, values)
