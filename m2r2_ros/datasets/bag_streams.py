# SPDX-License-Identifier: Apache-2.0
"""The streams of a REASSEMBLE recording as serialised messages, each in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from m2r2_ros.datasets.bag_label_streams import LABEL_TYPES, label_streams
from m2r2_ros.datasets.bag_writer import BagContent, Timed
from m2r2_ros.datasets.media import encode_png
from m2r2_ros.datasets.reassemble import ReassembleRecording
from m2r2_ros.datasets.reassemble_topics import (
    TOPICS,
    audio_chunks,
    available_topics,
    chunk_end_ns,
    joint_track,
    vector_track,
)
from m2r2_ros.datasets.vocabulary_file import find_vocabulary
from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK
from m2r2_ros.messages.encode import (
    encode_audio,
    encode_compressed_image,
    encode_joints,
    encode_vectors,
)
from m2r2_ros.messages.images import COMPRESSED_IMAGE
from m2r2_ros.messages.signals import JOINTS
from m2r2_ros.parallel.map_ahead import map_ahead


def bag_content(recording: ReassembleRecording) -> BagContent:
    """All streams and labels of a recording."""
    return BagContent(topic_types(recording), streams(recording), recording.epoch_ns)


def topic_types(recording: ReassembleRecording) -> dict[str, str]:
    """Every topic that the recording has, with its message type."""
    types = {topic: TOPICS[topic].type_name for topic in available_topics(recording)}
    if recording.actions is not None:
        types |= LABEL_TYPES
    return types


def streams(recording: ReassembleRecording) -> list[Iterator[Timed]]:
    """One iterator a topic, as in `topic_types`."""
    make = {COMPRESSED_IMAGE: _pictures, AUDIO_CHUNK: _audio, JOINTS: _joints}
    topics = available_topics(recording)
    made = [make.get(TOPICS[topic].type_name, _vectors)(recording, topic) for topic in topics]
    if recording.actions is None:
        return made
    stated = find_vocabulary(recording.path.parent)
    labels = recording.actions, recording.epoch_ns, recording.complete
    return [*made, *label_streams(*labels, stated)]


def _pictures(recording: ReassembleRecording, topic: str) -> Iterator[Timed]:
    stream = TOPICS[topic]

    def encode(frame: tuple[int, Callable[[], np.ndarray]]) -> Timed:
        stamp_ns, picture = frame
        png = encode_png(picture())
        return stamp_ns, topic, encode_compressed_image(stamp_ns, stream.frame_id, "png", png)

    return map_ahead(encode, recording.frames(stream.stream))


def _audio(recording: ReassembleRecording, topic: str) -> Iterator[Timed]:
    frame_id = TOPICS[topic].frame_id
    for chunk in audio_chunks(recording, topic):
        stamp_ns, samples, rate_hz = chunk
        yield chunk_end_ns(*chunk), topic, encode_audio(stamp_ns, frame_id, samples, rate_hz)


def _vectors(recording: ReassembleRecording, topic: str) -> Iterator[Timed]:
    stamps, values = vector_track(recording, topic)
    messages = encode_vectors(TOPICS[topic].type_name, stamps, values, TOPICS[topic].frame_id)
    for stamp_ns, message in zip(stamps.tolist(), messages, strict=True):
        yield stamp_ns, topic, message


def _joints(recording: ReassembleRecording, topic: str) -> Iterator[Timed]:
    track = joint_track(recording, topic)
    messages = encode_joints(
        track.stamps, TOPICS[topic].joints, track.positions, track.velocities, track.efforts
    )
    for stamp_ns, message in zip(track.stamps.tolist(), messages, strict=True):
        yield stamp_ns, topic, message
