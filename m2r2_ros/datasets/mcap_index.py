# SPDX-License-Identifier: Apache-2.0
"""The index at the end of an MCAP file that was closed."""

from __future__ import annotations

from typing import BinaryIO
from zlib import crc32

from m2r2_ros.datasets.mcap_records import (
    CHUNK_INDEX,
    FOOTER,
    MAGIC,
    PREFIX,
    STATISTICS,
    BrokenRecordError,
    Contents,
    Cursor,
    McapChunk,
    records,
)

MAX_INDEX_BYTES = 2**28
_FOOTER_BYTES = PREFIX.size + 20
_TAIL_BYTES = _FOOTER_BYTES + len(MAGIC)


def read_index(file: BinaryIO, start: int, size: int) -> Contents | None:
    """The contents by the index of a file of `size` bytes whose records begin at `start`.

    None where there is no index, or it leaves out something that is needed. Raises
    BrokenRecordError where it is damaged.
    """
    end = size - _TAIL_BYTES
    if end < start:
        return None
    file.seek(end)
    tail = file.read(_TAIL_BYTES)
    if tail[-len(MAGIC) :] != MAGIC or tail[0] != FOOTER:
        return None
    footer = Cursor(tail[PREFIX.size :])
    begin, _, crc = footer.number("Q"), footer.number("Q"), footer.number("I")
    if not begin:
        return None
    if not start <= begin <= end or end - begin > MAX_INDEX_BYTES:
        raise BrokenRecordError("its index is not where the file says")
    file.seek(begin)
    summary = file.read(end - begin)
    if crc and crc32(summary + tail[: _FOOTER_BYTES - 4]) != crc:
        raise BrokenRecordError("its index has a wrong checksum")
    return _from_summary(summary, begin)


def _from_summary(summary: bytes, data_end: int) -> Contents | None:
    contents = Contents()
    stated, chunks = -1, -1
    for opcode, content in records(summary):
        record = Cursor(content)
        if opcode == CHUNK_INDEX:
            contents.chunks.append(_chunk(record, data_end))
        elif opcode == STATISTICS:
            stated = record.number("Q")
            record.take(14)
            chunks = record.number("I")
            contents.start_ns, contents.end_ns = record.number("Q"), record.number("Q")
            contents.counts = record.numbers("HQ")
        else:
            contents.describe(opcode, record)
    complete = (
        chunks == len(contents.chunks)
        and (chunks or not stated)
        and stated == sum(contents.counts.values())
        and contents.counts.keys() <= contents.channels.keys()
    )
    return contents if complete else None


def _chunk(record: Cursor, data_end: int) -> McapChunk:
    start_ns, end_ns = record.number("Q"), record.number("Q")
    offset, length = record.number("Q"), record.number("Q")
    channels = frozenset(record.numbers("HQ")) or None
    record.number("Q"), record.text(), record.number("Q")
    if offset + length > data_end:
        raise BrokenRecordError("its index names a chunk behind the data")
    return McapChunk(start_ns, end_ns, offset, length, record.number("Q"), channels)
