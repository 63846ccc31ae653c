# SPDX-License-Identifier: Apache-2.0
"""What the writer writes, and what ships, against the published REASSEMBLE format."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from format_violations import CAMERAS, GROUPS, MICROPHONES, SIGNALS, violations

from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import (
    Action,
    AudioTrack,
    LowLevelSkill,
    RecordingData,
    SignalTrack,
    VideoTrack,
)

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "recordings").glob("*.h5"))


def track(width: int, rate_hz: float, magnitude: float) -> SignalTrack:
    random = np.random.default_rng(width)
    times = (np.arange(100) + random.uniform(0, 0.5, 100)) / rate_hz
    return SignalTrack(times, magnitude * random.uniform(-1, 1, (100, width)))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Every stream and label that the writer knows, with plausible values."""
    signals = {name: track(width, 500, largest / 2) for name, (width, largest) in SIGNALS.items()}
    quaternions = signals["pose"].values[:, 3:]
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    times = 0.01 + np.arange(8) / 30
    frames = np.zeros((8, 32, 32, 3), np.uint8)
    sound = np.zeros((16_000, 1), np.float32)
    skills = (LowLevelSkill(0.1, 0.15, "Approach."), LowLevelSkill(0.15, 0.2, "Grasp", False))
    data = RecordingData(
        "2025-01-10-12-00-00",
        {name: VideoTrack(times, frames) for name in CAMERAS},
        {name: AudioTrack(sound, 16_000) for name in MICROPHONES},
        signals,
        [Action(0.0, 0.1, "No action."), Action(0.1, 0.2, "Insert USB.", False, skills)],
    )
    path = tmp_path_factory.mktemp("schema") / f"{data.name}.h5"
    write_recording(path, data)
    return path


def test_the_writer_keeps_to_the_format(written):
    assert violations(written) == []
    with h5py.File(written) as file:
        assert file.keys() == CAMERAS | MICROPHONES | GROUPS
        assert file["robot_state"].keys() == SIGNALS.keys()
        assert file["timestamps"].keys() == SIGNALS.keys() | CAMERAS


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recordings_keep_to_the_format(path):
    assert violations(path) == []


def stepped_back(file):
    file["timestamps/pose"][50] = file["timestamps/pose"][49]


def without_clock(file):
    del file["timestamps/hama1"]


def shortened(file):
    values = file["robot_state/velocity"][:-1]
    del file["robot_state/velocity"]
    file["robot_state/velocity"] = values


def in_millimetres(file):
    file["robot_state/gripper_positions"][...] *= 1000


def in_milliseconds(file):
    file["timestamps/velocity"][...] *= 1000


def scaled_quaternion(file):
    file["robot_state/pose"][0, 3:] *= 2


def too_narrow(file):
    values = file["robot_state/measured_force"][:, :2]
    del file["robot_state/measured_force"]
    file["robot_state/measured_force"] = values


def video_as_text(file):
    del file["hand"]
    file["hand"] = "a video"


def not_a_video(file):
    del file["hand"]
    file["hand"] = np.void(b"a" * 100)


def unknown_class(file):
    del file["segments_info/1/text"]
    file["segments_info/1/text"] = np.bytes_("Insert USB")


def overlapping(file):
    file["segments_info/1/start"][()] = 0.05


def stray_skill(file):
    file["segments_info/1/low_level/1/end"][()] = 0.3


def misspelt(file):
    file.move("robot_state/joint_efforts", "robot_state/joint_effort")


DAMAGES = {
    stepped_back: "timestamps/pose is not strictly increasing",
    without_clock: "timestamps/hama1 is missing",
    shortened: "velocity has 99 samples",
    in_millimetres: "gripper_positions exceeds",
    in_milliseconds: "timestamps/velocity ticks at",
    scaled_quaternion: "no unit quaternions",
    too_narrow: "measured_force is float64 (100, 2)",
    video_as_text: "not one opaque value",
    not_a_video: "/hand is not an MP4",
    unknown_class: "text is b'Insert USB'",
    overlapping: "/segments_info/1 lasts from 0.05 s",
    stray_skill: "low_level/1 lasts from",
    misspelt: "robot_state/joint_effort is not in the format",
}


@pytest.mark.parametrize(
    ("damage", "complaint"), DAMAGES.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_every_departure_is_found(damage, complaint, written, tmp_path):
    copy = tmp_path / "copy.h5"
    copy.write_bytes(written.read_bytes())
    with h5py.File(copy, "a") as file:
        damage(file)
    assert any(complaint in line for line in violations(copy)), violations(copy)
