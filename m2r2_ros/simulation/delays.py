# SPDX-License-Identifier: Apache-2.0
"""Stamps of arrival: every device's are late by a time of its own, another every day."""

from __future__ import annotations

from itertools import islice

import numpy as np

from m2r2_ros.datasets.recording import AudioTrack, RecordingData, SignalTrack, VideoTrack

_CAMERA_S, _SOUND_S = (0.040, 0.120), (0.020, 0.150)
_GRIPPER_S, _STATE_S = (0.010, 0.040), (0.001, 0.005)


def delay(data: RecordingData, duration_s: float, rng: np.random.Generator) -> None:
    """Make every stream of a recording late, in place; what comes after its end is lost."""
    gripper, state, wrist = rng.uniform(*_GRIPPER_S), rng.uniform(*_STATE_S), rng.uniform(*_STATE_S)
    for name, track in data.signals.items():
        late = (
            gripper
            if "gripper" in name
            else wrist
            if "force" in name or "torque" in name
            else state
        )
        data.signals[name] = late_signal(track, late, duration_s)
    # In the order of names: a day's cameras are the same whichever of them are drawn.
    for name in sorted(("hama1", "hama2", "hand")):
        late = rng.uniform(*_CAMERA_S)
        if name in data.videos:
            data.videos[name] = late_video(data.videos[name], late, duration_s)
    for name in sorted(data.audio):
        data.audio[name] = late_sound(data.audio[name], rng.uniform(*_SOUND_S))


def late_signal(track: SignalTrack, late_s: float, duration_s: float) -> SignalTrack:
    times = track.times_s + late_s
    kept = times < duration_s
    return SignalTrack(times[kept], track.values[kept])


def late_video(track: VideoTrack, late_s: float, duration_s: float) -> VideoTrack:
    times = track.times_s + late_s
    kept = int(np.count_nonzero(times < duration_s))
    return VideoTrack(times[:kept], islice(track.frames, kept))


def late_sound(track: AudioTrack, late_s: float) -> AudioTrack:
    """Sample 0 is time 0, so what was heard moves back, and the beginning is heard twice."""
    shift = round(late_s * track.rate_hz)
    if not shift:
        return track
    before = track.samples[:shift][::-1]
    return AudioTrack(np.concatenate([before, track.samples[:-shift]]), track.rate_hz)
