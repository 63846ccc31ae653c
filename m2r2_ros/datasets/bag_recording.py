# SPDX-License-Identifier: Apache-2.0
"""A rosbag2 bag that grows while messages come: readable at any moment, whatever ends it."""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.bag_description import RecordedTopic, bag_description
from m2r2_ros.datasets.bag_metadata import METADATA_FILE
from m2r2_ros.datasets.mcap_writer import McapWriter, SealedChunk
from m2r2_ros.errors import M2R2Error

# A kill may cost what came since the last chunk, and that one while it is written.
CHUNK_S = 0.3
_CHUNK_BYTES = 8_000_000
# metadata.yaml is made anew at most so often.
_METADATA_S = 0.9
# Of a message beside its data, at most: its head and its entries, and a chunk that begins with it.
_MESSAGE_BYTES = 300
# Counts and times [ns] in metadata.yaml.
_MOST_NUMBER = 2**62
# What may wait for a disk that stands still; further messages are dropped and counted.
_MOST_WAITING_BYTES = 400_000_000


class BagRecording:
    """One MCAP file in a bag folder, and its metadata.yaml, which is there from the start.

    dropped  messages by topic that a slow disk left no room for.
    problem  why nothing more can be written, else "".
    """

    def __init__(self, folder: Path, most_waiting_bytes: int = 0) -> None:
        """Raises M2R2Error where the folder cannot be made, or is there."""
        self._most_waiting_bytes = max(most_waiting_bytes, _MOST_WAITING_BYTES)
        self.folder, self.dropped, self.problem = folder, Counter[str](), ""
        self._file = f"{folder.name}_0.mcap"
        self._topics: list[RecordedTopic] = []
        self._channels: dict[RecordedTopic, int] = {}
        self._sealed_s = self._noted_s = time.monotonic()
        self._newest_ns = -1
        self._metadata_bytes = 0
        self._waiting: queue.Queue[SealedChunk | None] = queue.Queue()
        self._waiting_bytes = 0
        try:
            folder.mkdir(parents=True)
            with _removed_on_failure(folder):
                self._writer = McapWriter(folder / self._file)
                self._write_metadata()
        except OSError as error:
            raise M2R2Error(f"cannot write {folder}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._write_chunks, name="bag writer", daemon=True)
        self._thread.start()

    @property
    def size(self) -> int:
        """Bytes that are written or wait to be."""
        return self._writer.size + self._waiting_bytes + self._writer.pending_bytes

    def size_with(self, topic: RecordedTopic, data: bytes) -> int:
        """Bytes of the folder once it is closed, if this message were added, too; at most."""
        size = self._writer.final_size + self._metadata_bytes + len(data) + _MESSAGE_BYTES
        if topic not in self._channels:
            # Once before its first message, once in the summary.
            size += 2 * len(f"{topic}{topic.qos_text}".encode())
            size += _metadata_size(topic, self._file)
        return size

    def add(self, topic: RecordedTopic, log_ns: int, data: bytes) -> bool:
        """Take a message, in order of log time; whether there was room for it.

        Log times are made to increase strictly.
        """
        if self.problem or self._waiting_bytes > self._most_waiting_bytes:
            self.dropped[topic.name] += 1
            return False
        if topic not in self._channels:
            self._channels[topic] = self._writer.add_channel(topic)
            self._topics.append(topic)
            self._metadata_bytes += _metadata_size(topic, self._file)
        self._newest_ns = max(log_ns, self._newest_ns + 1)
        self._writer.add(self._channels[topic], self._newest_ns, data)
        return True

    def pace(self) -> None:
        """Hand over what has come if it is time; call it many times a second."""
        is_due = time.monotonic() - self._sealed_s >= CHUNK_S
        if self._writer.pending_bytes and (is_due or self._writer.pending_bytes >= _CHUNK_BYTES):
            self._hand_over()

    def close(self) -> None:
        """Write what is left, the index and metadata.yaml. Raises M2R2Error where there is no room.

        What could be written can be read.
        """
        if self._writer.pending_bytes and not self.problem:
            self._hand_over()
        self._waiting.put(None)
        self._thread.join()
        is_in_place = self._writer.is_in_place
        try:
            self._writer.close()
            _check_place(self._file, is_in_place)
            self._write_metadata()
        except (OSError, M2R2Error) as error:
            self.problem = self.problem or str(error)
        if self.problem:
            raise M2R2Error(f"{self.folder}: {self.problem}: what there is can be read")

    def _hand_over(self) -> None:
        self._sealed_s = time.monotonic()
        chunk = self._writer.seal()
        self._waiting_bytes += chunk.size
        self._waiting.put(chunk)

    def _write_chunks(self) -> None:
        """In a thread of its own: a disk may keep one waiting for seconds."""
        while (chunk := self._waiting.get()) is not None:
            try:
                if not self.problem:
                    self._writer.write(chunk)
                    _check_place(self._file, self._writer.is_in_place)
                    self._keep_metadata()
            except (OSError, M2R2Error) as error:
                self.problem = getattr(error, "strerror", None) or str(error)
            self._waiting_bytes -= chunk.size

    def _keep_metadata(self) -> None:
        if time.monotonic() - self._noted_s >= _METADATA_S:
            self._noted_s = time.monotonic()
            self._write_metadata()

    def _write_metadata(self) -> None:
        """Of what is in the file."""
        counts = self._writer.counts
        written = {topic: counts[self._channels[topic]] for topic in list(self._topics)}
        span_ns = self._writer.start_ns, self._writer.end_ns
        with partial_file(self.folder / METADATA_FILE) as temporary:
            temporary.write_text(bag_description(self._file, written, span_ns), "utf-8")


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """A take that cannot begin on a full disk leaves nothing that looks like one."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _check_place(file: str, is_in_place: bool) -> None:
    if not is_in_place:
        raise M2R2Error(f"{file} has been moved or removed while it was recorded")


@lru_cache(1000)
def _metadata_size(topic: RecordedTopic, file: str) -> int:
    """Of metadata.yaml, the topic's share and more, with numbers that are as long as can be."""
    span_ns = (_MOST_NUMBER, 2 * _MOST_NUMBER)
    return len(bag_description(file, {topic: _MOST_NUMBER}, span_ns).encode())
