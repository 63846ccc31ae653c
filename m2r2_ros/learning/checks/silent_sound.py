# SPDX-License-Identifier: Apache-2.0
"""Microphones that hear nothing, or far less or more than in other recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from m2r2_ros.learning.checks.usual import unusual
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RecordingProfile
from m2r2_ros.sensing.layout import AUDIO

KIND = "silent sound"
# Another room, another distance.
_LEAST_DB = 20.0
# Below what 16 bits hold: digital silence.
_SILENCE_DB = -110.0


def silent_sound(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """By the median over time of the loudest octave."""
    having = [profile for profile in profiles if AUDIO in profile.streams]
    streams = [profile.streams[AUDIO] for profile in having]
    levels = np.array([_level_db(stream.values) for stream in streams])
    odd = unusual(-levels, _LEAST_DB) | unusual(levels, _LEAST_DB) | (levels < _SILENCE_DB)
    for number in np.flatnonzero(odd):
        yield Finding(
            KIND,
            f"its sound has a level of {levels[number]:.0f} dB; usual is {np.median(levels):.0f} "
            "dB (0 is full scale)",
            "see to the microphone and its gain, or leave the recording out",
            having[number].name,
            stream=AUDIO,
        )


def _level_db(values: np.ndarray) -> float:
    known = values[np.isfinite(values).all(axis=1)]
    return float(np.median(known.max(axis=1))) if len(known) else -np.inf
