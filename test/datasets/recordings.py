# SPDX-License-Identifier: Apache-2.0
"""A small demonstration whose every value is known."""

from __future__ import annotations

import numpy as np

from m2r2_ros.datasets.reassemble_format import SIGNAL_WIDTHS
from m2r2_ros.datasets.recording import (
    Action,
    AudioTrack,
    LowLevelSkill,
    RecordingData,
    SignalTrack,
    VideoTrack,
)


def video(duration_s=2.0, rate_hz=30.0, size=(48, 64), start_s=0.01) -> VideoTrack:
    """A picture whose grey level counts the frames."""
    times = start_s + np.arange(round(duration_s * rate_hz)) / rate_hz
    frames = [np.full((*size, 3), (4 * k) % 256, np.uint8) for k in range(len(times))]
    return VideoTrack(times, frames)


def signal(name, duration_s=2.0, rate_hz=200.0, seed=0) -> SignalTrack:
    """Smooth random values at jittered times; a pose points down."""
    random = np.random.default_rng([seed, *name.encode()])
    count, width = round(duration_s * rate_hz), SIGNAL_WIDTHS[name]
    times = (np.arange(count) + random.uniform(0, 0.5, count)) / rate_hz
    values = np.cumsum(random.normal(0, 0.01, (count, width)), axis=0)
    if name == "pose":
        values[:, 3:] = (0.99, 0.1, 0.05, 0.02)
        values[:, 3:] /= np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
    return SignalTrack(times, values)


def audio(duration_s=2.0, rate_hz=48_000, channels=1) -> AudioTrack:
    time = np.arange(round(duration_s * rate_hz)) / rate_hz
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    return AudioTrack(np.repeat(tone[:, None], channels, axis=1).astype(np.float32), rate_hz)


def recording(duration_s=2.0, name="2025-01-10-12-00-00", cameras=("hama1", "hama2", "hand")):
    """All streams of the format, two actions."""
    half = duration_s / 2
    skills = (LowLevelSkill(0.2, 0.4, "Approach"), LowLevelSkill(0.4, half, "Grasp", False))
    signals = {key: signal(key, duration_s) for key in SIGNAL_WIDTHS}
    for force, torque in (
        ("measured_force", "measured_torque"),
        ("compensated_base_force", "compensated_base_torque"),
    ):
        signals[torque] = SignalTrack(signals[force].times_s, signals[torque].values)
    return RecordingData(
        name=name,
        videos={
            camera: video(duration_s, start_s=0.01 + 0.003 * i) for i, camera in enumerate(cameras)
        },
        audio={
            "hama1_audio": audio(duration_s, channels=2),
            "hama2_audio": audio(duration_s, channels=2),
            "hand_audio": audio(duration_s),
        },
        signals=signals,
        actions=[
            Action(0.0, half, "No action.", True),
            Action(half, duration_s - 0.1, "Insert USB.", False, skills),
        ],
    )
