# SPDX-License-Identifier: Apache-2.0
"""The topics that a REASSEMBLE recording has as a bag.

A recording and its bag carry the same streams under the same topics; `m2r2 convert` and the
direct reader both take them from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from m2r2_ros.datasets.clocks import on_clock
from m2r2_ros.datasets.reassemble import ReassembleRecording
from m2r2_ros.datasets.reassemble_format import CAMERAS
from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS, FINGER_JOINTS
from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK
from m2r2_ros.messages.cdr import NANOSECONDS
from m2r2_ros.messages.images import COMPRESSED_IMAGE
from m2r2_ros.messages.signals import JOINTS, POSE, TWIST, WRENCH
from m2r2_ros.sensing.layout import AUDIO

AUDIO_CHUNK_S = 0.02

ARM_JOINTS = tuple(f"panda_joint{number}" for number in range(1, 8))


@dataclass(frozen=True)
class StreamTopic:
    """A topic made from `stream` of a recording. Frames are named after REP 105."""

    stream: str
    type_name: str
    frame_id: str = ""
    joints: tuple[str, ...] = ()


TOPICS = {
    **{
        DEFAULT_TOPICS[camera]: StreamTopic(camera, COMPRESSED_IMAGE, f"{camera}_optical_frame")
        for camera in CAMERAS
    },
    "/hama1/audio": StreamTopic("hama1_audio", AUDIO_CHUNK, "hama1_microphone"),
    "/hama2/audio": StreamTopic("hama2_audio", AUDIO_CHUNK, "hama2_microphone"),
    DEFAULT_TOPICS[AUDIO]: StreamTopic("hand_audio", AUDIO_CHUNK, "hand_microphone"),
    DEFAULT_TOPICS["wrench"]: StreamTopic("measured", WRENCH, "ft_sensor"),
    "/wrist/wrench_compensated": StreamTopic("compensated_base", WRENCH, "base_link"),
    DEFAULT_TOPICS["pose"]: StreamTopic("pose", POSE, "base_link"),
    DEFAULT_TOPICS["twist"]: StreamTopic("velocity", TWIST, "base_link"),
    DEFAULT_TOPICS["gripper"]: StreamTopic("gripper", JOINTS, joints=FINGER_JOINTS),
    "/arm/joint_states": StreamTopic("joint", JOINTS, joints=ARM_JOINTS),
}


@dataclass(frozen=True)
class JointTrack:
    """Joint states on one clock: stamps int64 (N,), each quantity float64 (N, joints) or None."""

    stamps: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray | None
    efforts: np.ndarray | None


def available_topics(recording: ReassembleRecording) -> tuple[str, ...]:
    """Topics whose streams are in the recording."""
    there = {*recording.cameras, *recording.audio_streams}
    there |= {name for name in ("pose", "velocity") if name in recording.signals}
    there |= {
        prefix
        for prefix in ("measured", "compensated_base")
        if {f"{prefix}_force", f"{prefix}_torque"} <= set(recording.signals)
    }
    there |= {name for name in ("gripper", "joint") if f"{name}_positions" in recording.signals}
    return tuple(topic for topic, stream in TOPICS.items() if stream.stream in there)


def vector_track(recording: ReassembleRecording, topic: str) -> tuple[np.ndarray, np.ndarray]:
    """Stamps (N,) and values float64 (N, D) of a wrench, pose or twist topic; N may be 0."""
    stream = TOPICS[topic]
    if stream.type_name == WRENCH:
        track = recording.wrench(stream.stream)
    else:
        track = recording.signal(stream.stream)
    return track or (np.zeros(0, np.int64), np.zeros((0, 7 if stream.type_name == POSE else 6)))


def joint_track(recording: ReassembleRecording, topic: str) -> JointTrack:
    """Positions of a joint topic, velocities and efforts brought to their clock."""
    stream = TOPICS[topic]
    positions = recording.signal(f"{stream.stream}_positions")
    if positions is None:
        return JointTrack(np.zeros(0, np.int64), np.zeros((0, len(stream.joints))), None, None)
    others = [recording.signal(f"{stream.stream}_{name}") for name in ("velocities", "efforts")]
    return JointTrack(*positions, *(other and on_clock(positions[0], *other) for other in others))


def audio_chunks(
    recording: ReassembleRecording, topic: str
) -> Iterator[tuple[int, np.ndarray, int]]:
    """Yield (stamp_ns, samples float32 (n, channels), rate_hz) in chunks of 20 ms."""
    audio = recording.audio(TOPICS[topic].stream)
    if audio is None:
        return
    samples, rate_hz = audio
    size = max(1, round(rate_hz * AUDIO_CHUNK_S))
    for start in range(0, len(samples), size):
        stamp_ns = recording.epoch_ns + start * NANOSECONDS // rate_hz
        yield stamp_ns, samples[start : start + size], rate_hz


def chunk_end_ns(stamp_ns: int, samples: np.ndarray, rate_hz: int) -> int:
    """When a microphone publishes a chunk: as its last sample is in."""
    return stamp_ns + len(samples) * NANOSECONDS // rate_hz
