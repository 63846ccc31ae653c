# SPDX-License-Identifier: Apache-2.0
"""The signals and the sound of a tape, by the sensors of a recording's rig and difficulties."""

from __future__ import annotations

import numpy as np

from m2r2_ros.datasets.recording import AudioTrack, SignalTrack
from m2r2_ros.simulation import wrist
from m2r2_ros.simulation.ambience import Ambience, other_microphone
from m2r2_ros.simulation.difficulties import stream
from m2r2_ros.simulation.microphones import listen
from m2r2_ros.simulation.recording_settings import RecordingSettings
from m2r2_ros.simulation.sensors import sense
from m2r2_ros.simulation.sounds import RATE_HZ
from m2r2_ros.simulation.tape import Tape


def signals_of(
    seed: int, tape: Tape, settings: RecordingSettings, rng: np.random.Generator
) -> dict[str, SignalTrack]:
    """Every `robot_state` signal; `rng` is what a recording without difficulties takes."""
    on = settings.difficulties
    felt = wrist.errors(tape, seed) if "wrist" in on else None
    faster = stream(seed, "rates") if "rates" in on else None
    return sense(tape, rng, wrist.wrist_of(seed, settings), felt, faster)


def sounds_of(
    seed: int, tape: Tape, settings: RecordingSettings, rng: np.random.Generator
) -> dict[str, AudioTrack]:
    """Every microphone's sound; `rng` as above."""
    length = round(tape.duration_s * RATE_HZ)
    ambience = Ambience(seed, length) if "noise" in settings.difficulties else None
    return listen(tape, rng, ambience, other_microphone if settings.rig == "other" else None)
