# SPDX-License-Identifier: Apache-2.0
"""Microphones: a mono one on the hand, and a stereo one beside each external camera.

Direct sound arrives after its way through the air, weaker with the distance, then once more from
the table, then as the decaying noise of the room.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import oaconvolve

from m2r2_ros.datasets.recording import AudioTrack
from m2r2_ros.simulation.ambience import Ambience
from m2r2_ros.simulation.sounds import RATE_HZ, Sounds, emit, room_noise
from m2r2_ros.simulation.tape import Tape

_SOUND_M_S = 343.0
_HAND_DISTANCE_M = 0.1
_NEAREST_M = 0.05
# In the robot's base frame; each pair of capsules lies along the table's edge (y).
_MICROPHONES_M = {"hama1_audio": (0.80, -0.48, 0.48), "hama2_audio": (0.75, 0.55, 0.48)}
_CAPSULES_M = 0.08
_ARM_M = (0.0, 0.0, 0.45)
_TABLE_REFLECTS = 0.6


def listen(
    tape: Tape,
    rng: np.random.Generator,
    ambience: Ambience | None = None,
    microphone: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, AudioTrack]:
    """Every audio stream of the format, float32 in [-1, 1]; sample 0 is the tape's start.

    `ambience`: the room with other people, where it is not as quiet as a recording studio.
    `microphone`: how all of them take the sound, where they are no good ones.
    """
    sounds = emit(tape, rng)
    mixed = sounds.contacts + sounds.fingers + sounds.arm
    heard = {"hand_audio": mixed[:, None] + room_noise(len(mixed), rng)[:, None]}
    tool = _stretch(tape, len(mixed))
    for name, place in _MICROPHONES_M.items():
        heard[name] = _stereo(sounds, tool, np.array(place), rng)
    if ambience:
        on_arm = {"hand_audio": sounds.arm}
        heard = {name: ambience(sound, on_arm.get(name)) for name, sound in heard.items()}
    if microphone:
        heard = {name: microphone(sound) for name, sound in heard.items()}
    return {name: _track(sound) for name, sound in heard.items()}


def _stereo(
    sounds: Sounds, tool: np.ndarray, place: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(M, 2), left and right capsule of a microphone near `place`."""
    place = place + rng.normal(0, 0.02, 3)
    gain = rng.uniform(2.0, 4.0)
    decay_s, wet = rng.uniform(0.03, 0.08), rng.uniform(0.1, 0.3)
    common = room_noise(len(tool), rng)
    channels = []
    for side in (-0.5, 0.5):
        capsule = place + np.array([0.0, side * _CAPSULES_M, 0.0])
        dry = heard(sounds.contacts + sounds.fingers, tool, capsule)
        dry += heard(sounds.arm, np.array(_ARM_M), capsule)
        own = 0.5 * room_noise(len(tool), rng)
        channels.append(gain * (dry + wet * _reverberation(dry, decay_s, rng)) + common + own)
    return np.stack(channels, axis=1)


def heard(sound: np.ndarray, source: np.ndarray, capsule: np.ndarray) -> np.ndarray:
    """A sound (M,) at a place [m], (3,) or moving (M, 3), as it arrives at `capsule`."""
    mirrored = source * [1.0, 1.0, -1.0]
    return _arriving(sound, source, capsule) + _TABLE_REFLECTS * _arriving(sound, mirrored, capsule)


def _arriving(sound: np.ndarray, source: np.ndarray, capsule: np.ndarray) -> np.ndarray:
    distance = np.maximum(np.linalg.norm(source - capsule, axis=-1), _NEAREST_M)
    samples = np.arange(len(sound), dtype=float)
    delayed = np.interp(samples - distance / _SOUND_M_S * RATE_HZ, samples, sound, left=0.0)
    return _HAND_DISTANCE_M / distance * delayed


def _reverberation(sound: np.ndarray, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(round(5 * decay_s * RATE_HZ)) / RATE_HZ
    tail = rng.normal(size=len(time)) * np.exp(-time / decay_s)
    return oaconvolve(sound, tail / np.linalg.norm(tail))[: len(sound)]


def _stretch(tape: Tape, length: int) -> np.ndarray:
    """Tool position (length, 3) at every audio sample."""
    grid = tape.tick_s * np.arange(1, len(tape.tool) + 1)
    time = np.arange(length) / RATE_HZ
    return np.stack([np.interp(time, grid, axis) for axis in tape.tool[:, :3].T], axis=1)


def _track(sound: np.ndarray) -> AudioTrack:
    return AudioTrack(np.tanh(sound).astype(np.float32), RATE_HZ)
