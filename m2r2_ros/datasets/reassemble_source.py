# SPDX-License-Identifier: Apache-2.0
"""A REASSEMBLE file as a recording source: it looks like the bag that `m2r2 convert` makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.annotations import shifted
from m2r2_ros.datasets.blocks import ItemStream, RowStream
from m2r2_ros.datasets.input_types import signal_reading
from m2r2_ros.datasets.reassemble import ReassembleRecording, open_recording
from m2r2_ros.datasets.reassemble_topics import (
    TOPICS,
    audio_chunks,
    available_topics,
    chunk_end_ns,
    joint_track,
    vector_track,
)
from m2r2_ros.datasets.recording_source import BLOCK_NS, SensorBatch, present_topics
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.messages.definitions import stored_definitions
from m2r2_ros.messages.encode import encode_joints, encode_vectors
from m2r2_ros.messages.reading import Reading
from m2r2_ros.messages.signals import Stamped, decode_batch, joint_columns
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits


@contextmanager
def open_reassemble_source(path: Path, topics: TopicMap) -> Iterator[ReassembleSource]:
    """Open an .h5 file. Raises M2R2Error."""
    with open_recording(path) as recording:
        yield ReassembleSource(recording, topics)


class ReassembleSource:
    """See `RecordingSource`."""

    def __init__(self, recording: ReassembleRecording, topics: TopicMap) -> None:
        self.name = recording.name
        self.problems = recording.problems
        self._recording = recording
        self._topics = topics
        self._types = {topic: TOPICS[topic].type_name for topic in available_topics(recording)}
        self.start_ns, self.end_ns = self._span()
        actions, offset_ns = recording.actions, self.start_ns - recording.epoch_ns
        self.actions = None if actions is None else shifted(actions, offset_ns)
        self.complete = recording.complete
        self._kept: dict[SensorLayout, tuple[dict[str, str], dict[str, Stamped]]] = {}
        self._sounds: dict[str, list[tuple[int, np.ndarray, int]]] = {}

    def batches(
        self,
        layout: SensorLayout,
        limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
    ) -> Iterator[SensorBatch]:
        """See `RecordingSource`."""
        chosen, tracks = self._tracks(layout)
        signals = {name: RowStream(*track) for name, track in tracks.items()}
        cameras = {
            name: ItemStream(self._recording.frames(TOPICS[chosen[name]].stream))
            for name in layout.cameras
            if name in chosen
        }
        audio = ItemStream(self._chunks(chosen[AUDIO]) if AUDIO in chosen else ())
        streams = [*signals.values(), *cameras.values(), audio]
        while pending := [stream.next_ns for stream in streams if stream.next_ns is not None]:
            end_ns = min(pending) + BLOCK_NS
            yield SensorBatch(
                images=[
                    (name, *frame) for name in cameras for frame in cameras[name].before(end_ns)
                ],
                signals={name: rows.before(end_ns) for name, rows in signals.items()},
                audio=[tuple(chunk) for _, *chunk in audio.before(end_ns)],
            )

    def between(self, layout: SensorLayout, start_ns: int, end_ns: int) -> SensorBatch:
        """See `RecordingSource`. Whole signals and the sound stay in memory for the next time."""
        if layout not in self._kept:
            self._kept[layout] = self._tracks(layout)
        chosen, tracks = self._kept[layout]
        batch = SensorBatch(signals=tracks)
        for name in layout.cameras:
            if name in chosen:
                camera = TOPICS[chosen[name]].stream
                for frame in self._recording.frames_between(camera, start_ns, end_ns):
                    batch.images.append((name, *frame))
        if AUDIO in chosen:
            batch.audio = self._sound(chosen[AUDIO])
        return batch.cut(start_ns, end_ns)

    def _tracks(self, layout: SensorLayout) -> tuple[dict[str, str], dict[str, Stamped]]:
        """Modality -> topic of those that are there, and the whole of each signal."""
        definitions = stored_definitions({})
        chosen = present_topics(
            self.name, self._types, self._topics, layout, self.problems, definitions
        )
        return chosen, {
            name: self._rows(chosen[name], signal_reading(self._topics, signal, definitions))
            for name, signal in layout.signals.items()
            if name in chosen
        }

    def _sound(self, topic: str) -> list[tuple[int, np.ndarray, int]]:
        if topic not in self._sounds:
            self._sounds[topic] = list(audio_chunks(self._recording, topic))
        return self._sounds[topic]

    def _span(self) -> tuple[int, int]:
        recording = self._recording
        reference = TOPICS.get(self._topics.topics.get(self._topics.reference_camera, ""))
        tracks = [recording.stamps(name) for name in (*recording.cameras, *recording.signals)]
        if reference is not None:
            tracks.insert(0, recording.stamps(reference.stream))
        tracks = [track for track in tracks if len(track)] or [np.array([recording.epoch_ns])]
        return int(tracks[0][0]), max(int(track[-1]) for track in tracks)

    def _rows(self, topic: str, reading: Reading) -> Stamped:
        if reading.paths:
            return self._by_paths(topic, reading)
        if not TOPICS[topic].joints:
            stamps, values = vector_track(self._recording, topic)
            return stamps, reading.values(values)
        track = joint_track(self._recording, topic)
        columns = joint_columns(TOPICS[topic].joints, reading)
        values = {
            "position": track.positions,
            "velocity": track.velocities,
            "effort": track.efforts,
        }[reading.field]
        if values is None:
            self.problems.append(f"{topic}: its joints have no {reading.field}")
            return track.stamps[:0], np.zeros((0, reading.width))
        numbers = values[:, list(columns)]
        return track.stamps, reading.values(numbers, reading.is_sum)

    def _by_paths(self, topic: str, reading: Reading) -> Stamped:
        """What the paths find in the messages that the bag would hold."""
        stream = TOPICS[topic]
        if stream.joints:
            track = joint_track(self._recording, topic)
            rows = track.positions, track.velocities, track.efforts
            messages = encode_joints(track.stamps, stream.joints, *rows)
        else:
            track = vector_track(self._recording, topic)
            messages = encode_vectors(stream.type_name, *track, stream.frame_id)
        return decode_batch(stream.type_name, list(messages), reading)

    def _chunks(self, topic: str) -> Iterator[tuple[int, int, np.ndarray, int]]:
        for chunk in audio_chunks(self._recording, topic):
            yield chunk_end_ns(*chunk), *chunk
