# SPDX-License-Identifier: Apache-2.0
"""The streams of a REASSEMBLE recording as serialised messages, each in order of time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from m2r2_ros.datasets.annotations import actions_to_json, segment_messages
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
from m2r2_ros.datasets.topics import ANNOTATIONS_TOPIC, GROUND_TRUTH_TOPIC
from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK
from m2r2_ros.messages.encode import (
    ACTION_SEGMENT,
    TEXT,
    encode_audio,
    encode_compressed_image,
    encode_joints,
    encode_text,
    encode_vectors,
)
from m2r2_ros.messages.images import COMPRESSED_IMAGE
from m2r2_ros.messages.signals import JOINTS

# (time at which a live system would have published it [ns], topic, message)
Timed = tuple[int, str, bytes]


def topic_types(recording: ReassembleRecording) -> dict[str, str]:
    """Every topic that the recording has, with its message type."""
    types = {topic: TOPICS[topic].type_name for topic in available_topics(recording)}
    if recording.actions is not None:
        types |= {GROUND_TRUTH_TOPIC: ACTION_SEGMENT, ANNOTATIONS_TOPIC: TEXT}
    return types


def streams(recording: ReassembleRecording) -> list[Iterator[Timed]]:
    """One iterator a topic, as in `topic_types`."""
    make = {COMPRESSED_IMAGE: _pictures, AUDIO_CHUNK: _audio, JOINTS: _joints}
    topics = available_topics(recording)
    made = [make.get(TOPICS[topic].type_name, _vectors)(recording, topic) for topic in topics]
    return made if recording.actions is None else [*made, _segments(recording), _text(recording)]


def _pictures(recording: ReassembleRecording, topic: str) -> Iterator[Timed]:
    stream = TOPICS[topic]

    def encode(frame: tuple[int, Callable[[], np.ndarray]]) -> Timed:
        stamp_ns, picture = frame
        png = encode_png(picture())
        return stamp_ns, topic, encode_compressed_image(stamp_ns, stream.frame_id, "png", png)

    return _ahead(encode, recording.frames(stream.stream))


def _ahead(function: Callable, items: Iterable) -> Iterator:
    """Map in order, on all processors, some items ahead of the consumer."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        pending: deque = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


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


def _segments(recording: ReassembleRecording) -> Iterator[Timed]:
    messages = segment_messages(recording.actions, recording.epoch_ns)
    # Stable: at one instant an ENDED stays before the next STARTED.
    for stamp_ns, message in sorted(messages, key=lambda timed: timed[0]):
        yield stamp_ns, GROUND_TRUTH_TOPIC, message


def _text(recording: ReassembleRecording) -> Iterator[Timed]:
    text = actions_to_json(recording.actions, recording.epoch_ns, recording.complete)
    yield recording.epoch_ns, ANNOTATIONS_TOPIC, encode_text(text)
