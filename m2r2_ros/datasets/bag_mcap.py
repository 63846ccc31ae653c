# SPDX-License-Identifier: Apache-2.0
"""An MCAP file as a bag's storage: by its index, or read through where there is no right one."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from m2r2_ros.datasets.bag_storage import BagMessage, LogSpan, Span, StoredTopic, in_order
from m2r2_ros.datasets.bounded_chunks import BrokenChunkError
from m2r2_ros.datasets.damage import recover, what_it_is
from m2r2_ros.datasets.mcap_chunks import chunk_messages, chunk_records
from m2r2_ros.datasets.mcap_index import read_index
from m2r2_ros.datasets.mcap_records import (
    HEADER,
    MAGIC,
    PREFIX,
    BrokenRecordError,
    Contents,
    McapChunk,
)
from m2r2_ros.datasets.mcap_scan import Scan
from m2r2_ros.errors import M2R2Error

# What chunks that cover the same time may take of the memory while they are merged.
MAX_OPEN_BYTES = 2**31
_MAX_HEADER_BYTES = 2**20


class McapStorage:
    """See `bag_storage.Storage`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self._file = path.open("rb")
        try:
            self._contents = self._read_contents()
            _check_overlap(path, self._contents.chunks)
        except BaseException:
            self._file.close()
            raise
        self.start_ns, self.end_ns = self._contents.start_ns, self._contents.end_ns
        counts = dict(self._contents.counts)
        self.topics = [
            StoredTopic(c.topic, c.type_name, c.encoding, counts.pop(n, 0), c.qos, c.definition)
            for n, c in self._contents.channels.items()
        ]
        if lost := sum(counts.values()):
            self.problems.append(f"{path.name}: {lost} messages belong to no topic")

    def messages(
        self, topics: Collection[str], within: LogSpan | None = None
    ) -> Iterator[BagMessage]:
        """See `bag_storage.Storage`."""
        channels = self._contents.channels.items()
        wanted = {n: (c.topic, c.type_name) for n, c in channels if c.topic in topics}
        found = in_order(
            Span(chunk.start_ns, partial(self._read_chunk, chunk, wanted))
            for chunk in self._contents.chunks
            if within is None
            or (chunk.start_ns < within.end_ns and chunk.end_ns >= within.start_ns)
            if chunk.channels is None or not chunk.channels.isdisjoint(wanted)
        )
        if within is None:
            return found
        return (m for m in found if within.start_ns <= m.log_ns < within.end_ns)

    def close(self) -> None:
        self._file.close()

    def _read_contents(self) -> Contents:
        start, size = _data_start(self.path, self._file), os.fstat(self._file.fileno()).st_size
        trouble = ""
        try:
            if (contents := read_index(self._file, start, size)) is not None:
                return contents
        except BrokenRecordError as error:
            trouble = str(error)
        try:
            scan = Scan(self._file, start, size)
        except M2R2Error as error:
            raise M2R2Error(f"{self.path}: {error}") from error
        if scan.broken_at is not None:
            trouble = f"it breaks off at byte {scan.broken_at} of {size}"
        if trouble:
            count = sum(scan.contents.counts.values())
            scan.problems.append(f"{trouble}: {count} messages are read; {recover(self.path)}")
        self.problems += [f"{self.path.name}: {problem}" for problem in scan.problems]
        return scan.contents

    def _read_chunk(self, chunk: McapChunk, wanted: dict[int, tuple[str, str]]) -> list[BagMessage]:
        self._file.seek(chunk.offset)
        try:
            raw = chunk_records(chunk, self._file.read(chunk.length))
        except (BrokenChunkError, BrokenRecordError) as error:
            self._note(f"the chunk at byte {chunk.offset} is left out: {error}")
            return []
        except M2R2Error as error:
            raise M2R2Error(f"{self.path}: {error}") from error
        found = chunk_messages(raw, wanted)
        if found and not chunk.start_ns <= found[0].log_ns <= found[-1].log_ns <= chunk.end_ns:
            # Without a checksum this is all that tells of a flipped bit.
            self._note(f"the chunk at byte {chunk.offset} has other times than its index states")
        return found

    def _note(self, problem: str) -> None:
        line = f"{self.path.name}: {problem}"
        if line not in self.problems:
            self.problems.append(line)


def _data_start(path: Path, file: BinaryIO) -> int:
    """Where the records behind the header begin."""
    head = file.read(len(MAGIC) + PREFIX.size)
    if head[: len(MAGIC)] != MAGIC:
        raise M2R2Error(f"{path}: cannot read this bag: it {what_it_is(path) or 'is no MCAP file'}")
    opcode, length = PREFIX.unpack(head[len(MAGIC) :].ljust(PREFIX.size, b"\0"))
    if opcode != HEADER or length > _MAX_HEADER_BYTES:
        raise M2R2Error(f"{path}: cannot read this bag: it breaks off in its header")
    return len(head) + length


def _check_overlap(path: Path, chunks: list[McapChunk]) -> None:
    """Raise M2R2Error when merging would need more memory than the limit."""
    edges = [(chunk.start_ns, chunk.raw_bytes) for chunk in chunks]
    edges += [(chunk.end_ns + 1, -chunk.raw_bytes) for chunk in chunks]
    opened = 0
    for _, change in sorted(edges):
        opened += change
        if opened > MAX_OPEN_BYTES:
            raise M2R2Error(
                f"{path}: too much of it is not in order of time: `mcap sort {path} -o "
                f"{path.stem}_sorted.mcap`"
            )
