# SPDX-License-Identifier: Apache-2.0
"""An MCAP file without a right index, read through from its beginning to where it breaks off."""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO, NamedTuple

from m2r2_ros.datasets.bounded_chunks import BrokenChunkError
from m2r2_ros.datasets.mcap_chunks import chunk_records
from m2r2_ros.datasets.mcap_records import (
    CHANNEL,
    CHUNK,
    DATA_END,
    FOOTER,
    MESSAGE,
    MESSAGE_RECORD,
    PREFIX,
    SCHEMA,
    BrokenRecordError,
    Contents,
    Cursor,
    McapChunk,
    records,
)

# Messages outside of chunks are read in runs of this size.
_RUN_BYTES = 2**20
# The specification keeps these opcodes for itself: there are no such records yet.
_RESERVED = range(DATA_END + 1, 0x80)


class Scan:
    """`contents` of a file of `size` bytes whose records begin at `start`.

    broken_at  the byte at which it breaks off, None where it is complete.
    problems   what is left out, a line each.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self.contents = Contents()
        self.problems: list[str] = []
        self._file, self._size = file, size
        self._counts: Counter[int] = Counter()
        self._run: list[_PlacedMessage] = []
        self.broken_at = self._read(start)
        self._close_run()
        self.contents.counts = dict(self._counts)
        if chunks := self.contents.chunks:
            self.contents.start_ns = min(chunk.start_ns for chunk in chunks)
            self.contents.end_ns = max(chunk.end_ns for chunk in chunks)

    def _read(self, position: int) -> int | None:
        while position < self._size:
            self._file.seek(position)
            head = self._file.read(MESSAGE_RECORD.size)
            if len(head) < PREFIX.size:
                return position
            opcode, length = PREFIX.unpack_from(head)
            end = position + PREFIX.size + length
            if opcode in (DATA_END, FOOTER):
                return None
            if not opcode or opcode in _RESERVED:
                # Zeros or garbage begin in the record before the one that shows them.
                self._run = self._run[:-1]
                return position
            if end > self._size and opcode != CHUNK:
                return position
            self._add(opcode, head, position, end)
            position = end
        # Nothing says that this is the end; a chunk that is cut off has been read to it.
        return self._size

    def _add(self, opcode: int, head: bytes, begin: int, end: int) -> None:
        if opcode == CHUNK:
            self._close_run()
            self._add_chunk(begin, end)
        elif opcode == MESSAGE and len(head) == MESSAGE_RECORD.size:
            if self._run and end - self._run[0].begin > _RUN_BYTES:
                self._close_run()
            _, _, channel, _, log_ns, _ = MESSAGE_RECORD.unpack(head)
            self._run.append(_PlacedMessage(begin, end, channel, log_ns))
        elif opcode in (SCHEMA, CHANNEL):
            self._file.seek(begin + PREFIX.size)
            self._describe(opcode, self._file.read(end - begin - PREFIX.size))

    def _add_chunk(self, begin: int, end: int) -> None:
        whole = end <= self._size
        chunk = McapChunk(0, 0, begin, min(end, self._size) - begin, 0, whole=whole)
        self._file.seek(begin)
        try:
            raw = chunk_records(chunk, self._file.read(chunk.length))
        except (BrokenChunkError, BrokenRecordError) as error:
            if whole:
                self.problems.append(f"the chunk at byte {begin} is left out: {error}")
            return
        found = []
        for opcode, content in records(raw):
            if opcode == MESSAGE and len(content) >= MESSAGE_RECORD.size - PREFIX.size:
                record = Cursor(content)
                channel, _, log_ns = record.number("H"), record.number("I"), record.number("Q")
                found.append(_PlacedMessage(begin, begin + chunk.length, channel, log_ns))
            else:
                self._describe(opcode, content)
        self._add_entries(found, len(raw), is_plain=False, whole=whole)

    def _describe(self, opcode: int, content: bytes) -> None:
        try:
            self.contents.describe(opcode, Cursor(content))
        except BrokenRecordError as error:
            self.problems.append(f"a topic is not described: {error}")

    def _close_run(self) -> None:
        run, self._run = self._run, []
        size = run[-1].end - run[0].begin if run else 0
        self._add_entries(run, size, is_plain=True, whole=True)

    def _add_entries(
        self, entries: list[_PlacedMessage], raw_bytes: int, is_plain: bool, whole: bool
    ) -> None:
        if not entries:
            return
        self._counts.update(entry.channel for entry in entries)
        times = [entry.log_ns for entry in entries]
        begin, end = entries[0].begin, entries[-1].end
        channels = frozenset(entry.channel for entry in entries)
        self.contents.chunks.append(
            McapChunk(
                min(times), max(times), begin, end - begin, raw_bytes, channels, is_plain, whole
            )
        )


class _PlacedMessage(NamedTuple):
    """One message: the bytes of the file that hold it, or its whole chunk."""

    begin: int
    end: int
    channel: int
    log_ns: int
