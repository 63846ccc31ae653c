# SPDX-License-Identifier: Apache-2.0
"""An MCAP file (mcap.dev/spec) that is whole up to its last chunk at any moment.

Chunks are sealed in memory and written in one piece, so that one thread takes messages while
another waits for the disk. They are not compressed: what a kill leaves of the last one is read,
too, and pictures are compressed or too many to be.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from m2r2_ros import __version__
from m2r2_ros.datasets.bag_description import RecordedTopic
from m2r2_ros.datasets.bag_storage import CDR
from m2r2_ros.datasets.mcap_records import (
    CHANNEL,
    CHUNK,
    CHUNK_INDEX,
    DATA_END,
    FOOTER,
    HEADER,
    MAGIC,
    MESSAGE,
    MESSAGE_RECORD,
    MSG_FILES,
    PREFIX,
    QOS_KEY,
    SCHEMA,
    STATISTICS,
)

_MESSAGE_INDEX = 7
# As many as the system takes at once.
_MOST_PIECES = 1024
# Beside records: of a chunk and its entry in the summary, of each channel in it, of each message.
_CHUNK_BYTES = (PREFIX.size + 40) + (PREFIX.size + 64)
_CHANNEL_IN_CHUNK_BYTES = (PREFIX.size + 6) + 10
_INDEX_BYTES = 16
# At the end: what is there without a channel, and what each of them adds.
_END_BYTES = (PREFIX.size + 4) + (PREFIX.size + 46) + (PREFIX.size + 20) + len(MAGIC)
_COUNT_BYTES = 10
_MESSAGE_BODY_BYTES = MESSAGE_RECORD.size - PREFIX.size


@dataclass
class SealedChunk:
    """Records, `size` bytes in pieces, with log times and places of each channel's messages."""

    pieces: list[bytes] = field(default_factory=list)
    index: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    size: int = 0

    @property
    def counts(self) -> dict[int, int]:
        return {channel: len(entries) for channel, entries in self.index.items()}

    @property
    def span_ns(self) -> tuple[int, int]:
        times = [log_ns for entries in self.index.values() for log_ns, _ in entries]
        return min(times, default=0), max(times, default=0)

    def append(self, *pieces: bytes) -> None:
        self.pieces += pieces
        self.size += sum(map(len, pieces))


class McapWriter:
    """`add` and `seal` belong to one thread, `write` to one, `close` to the end of both.

    counts            messages in the file by channel.
    start_ns, end_ns  their log times.
    size              of the file [bytes].
    final_size        of the file once it is closed, with all that has been added.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError, also for a file that is there."""
        self.counts: Counter[int] = Counter()
        self.start_ns = self.end_ns = 0
        self._descriptions: list[bytes] = []
        self._schemas: dict[str, int] = {}
        self._channels = 0
        self._chunk_indices: list[bytes] = []
        self._pending = SealedChunk()
        self._path, self._file = path, path.open("xb", buffering=0)
        self.size = 0
        self._put(MAGIC + _record(HEADER, _text("ros2") + _text(f"m2r2_ros {__version__}")))
        self._promised = self.size + _END_BYTES

    @property
    def final_size(self) -> int:
        return self._promised + (_cost(self._pending) if self._pending.size else 0)

    @property
    def pending_bytes(self) -> int:
        """What has been added since the last `seal`."""
        return self._pending.size

    @property
    def is_in_place(self) -> bool:
        """Whether nobody has moved or removed the file; the system writes on all the same."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def add_channel(self, topic: RecordedTopic) -> int:
        """A topic that messages will be added to; returns its number."""
        type_name = topic.type_name
        if type_name not in self._schemas:
            self._schemas[type_name] = number = len(self._schemas) + 1
            content = struct.pack("<H", number) + _text(type_name) + _text(MSG_FILES)
            self._describe(_record(SCHEMA, content + _text(topic.definition)))
        self._channels += 1
        self._promised += _COUNT_BYTES
        more = _text(QOS_KEY) + _text(topic.qos_text)
        content = struct.pack("<HH", self._channels, self._schemas[type_name])
        content += _text(topic.name) + _text(CDR) + struct.pack("<I", len(more)) + more
        self._describe(_record(CHANNEL, content))
        return self._channels

    def add(self, channel: int, log_ns: int, data: bytes) -> None:
        """A message of a channel."""
        entries = self._pending.index.setdefault(channel, [])
        entries.append((log_ns, self._pending.size))
        length = _MESSAGE_BODY_BYTES + len(data)
        head = MESSAGE_RECORD.pack(MESSAGE, length, channel, 0, log_ns, log_ns)
        self._pending.append(head, data)

    def seal(self) -> SealedChunk:
        """All that was added since the last time."""
        self._promised = self.final_size
        sealed, self._pending = self._pending, SealedChunk()
        return sealed

    def write(self, chunk: SealedChunk) -> None:
        """Raises OSError where there is no room; the file then ends with the chunk before."""
        start_ns, end_ns = chunk.span_ns
        size, crc = chunk.size, 0
        for piece in chunk.pieces:
            crc = crc32(piece, crc)
        head = struct.pack("<QQQI", start_ns, end_ns, size, crc) + _text("")
        head += struct.pack("<Q", size)
        place, length = self.size, PREFIX.size + len(head) + size
        pieces = [PREFIX.pack(CHUNK, len(head) + size) + head, *chunk.pieces]
        offsets, at = b"", place + length
        for channel, entries in chunk.index.items():
            packed = b"".join(struct.pack("<QQ", *entry) for entry in entries)
            content = struct.pack("<HI", channel, len(packed)) + packed
            pieces.append(_record(_MESSAGE_INDEX, content))
            offsets += struct.pack("<HQ", channel, at)
            at += len(pieces[-1])
        self._put(*pieces)
        self._note(chunk, start_ns, end_ns)
        content = struct.pack("<QQQQI", start_ns, end_ns, place, length, len(offsets)) + offsets
        content += struct.pack("<Q", at - place - length)
        content += _text("") + struct.pack("<QQ", size, size)
        self._chunk_indices.append(_record(CHUNK_INDEX, content))

    def close(self) -> None:
        """Write the index. Raises OSError where there is no room for it; the file can be read."""
        try:
            self._put(_record(DATA_END, struct.pack("<I", 0)))
            self._put(self._summary())
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def _describe(self, record: bytes) -> None:
        self._descriptions.append(record)
        self._promised += len(record)
        self._pending.append(record)

    def _note(self, chunk: SealedChunk, start_ns: int, end_ns: int) -> None:
        if not chunk.index:
            return
        self.start_ns = min(self.start_ns, start_ns) if self.counts else start_ns
        self.end_ns = max(self.end_ns, end_ns)
        self.counts.update(chunk.counts)

    def _summary(self) -> bytes:
        counts = b"".join(struct.pack("<HQ", *each) for each in sorted(self.counts.items()))
        content = struct.pack(
            "<QHIIIIQQI",
            self.counts.total(),
            len(self._schemas),
            self._channels,
            0,
            0,
            len(self._chunk_indices),
            self.start_ns,
            self.end_ns,
            len(counts),
        )
        statistics = _record(STATISTICS, content + counts)
        summary = b"".join([*self._descriptions, statistics, *self._chunk_indices])
        footer = PREFIX.pack(FOOTER, 20) + struct.pack("<QQ", self.size, 0)
        return summary + footer + struct.pack("<I", crc32(summary + footer)) + MAGIC

    def _put(self, *pieces: bytes) -> None:
        """All of it, or nothing; pictures are not copied."""
        waiting, first = list(map(memoryview, pieces)), 0
        try:
            while first < len(waiting):
                count = os.writev(self._file.fileno(), waiting[first : first + _MOST_PIECES])
                while first < len(waiting) and count >= len(waiting[first]):
                    count -= len(waiting[first])
                    first += 1
                if count:
                    waiting[first] = waiting[first][count:]
        except OSError:
            with suppress(OSError):
                self._file.truncate(self.size)
                self._file.seek(self.size)
            raise
        self.size += sum(map(len, pieces))


def _cost(chunk: SealedChunk) -> int:
    """What a chunk adds to the file, with its index and its entry in the summary."""
    messages = sum(map(len, chunk.index.values()))
    per_channel = _CHANNEL_IN_CHUNK_BYTES * len(chunk.index)
    return chunk.size + _CHUNK_BYTES + per_channel + _INDEX_BYTES * messages


def _record(opcode: int, content: bytes) -> bytes:
    return PREFIX.pack(opcode, len(content)) + content


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data
