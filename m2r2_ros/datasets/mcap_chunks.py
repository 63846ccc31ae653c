# SPDX-License-Identifier: Apache-2.0
"""The messages of one chunk of an MCAP file."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from zlib import crc32

from m2r2_ros.datasets.bag_storage import BagMessage
from m2r2_ros.datasets.bounded_chunks import BrokenChunkError, unpack_chunk
from m2r2_ros.datasets.mcap_records import MESSAGE, MESSAGE_RECORD, PREFIX, Cursor, McapChunk

# Channel, sequence and times in front of a message's data.
_MESSAGE_HEADER_BYTES = MESSAGE_RECORD.size - PREFIX.size


def chunk_records(chunk: McapChunk, data: bytes) -> bytes:
    """The records of a chunk, given its bytes in the file; as many as there are of a cut one.

    Raises BrokenChunkError, BrokenRecordError; M2R2Error on sizes beyond the limits.
    """
    if chunk.is_plain:
        return data
    header = Cursor(data[PREFIX.size :])
    header.take(16)
    size, crc, compression = header.number("Q"), header.number("I"), header.text()
    length = header.number("Q")
    packed = header.take(length) if chunk.whole else header.rest()
    raw = unpack_chunk(packed, compression, size)
    if chunk.whole and (len(raw) != size or (crc and crc32(raw) != crc)):
        raise BrokenChunkError("its size or checksum is wrong")
    return raw


def chunk_messages(raw: bytes, wanted: dict[int, tuple[str, str]]) -> list[BagMessage]:
    """Messages of the `wanted` channels in order of log time, up to a record that is cut off.

    `wanted`: channel -> topic and type.
    """
    # A named tuple's own constructor costs a tenth of the whole reading.
    make, unpack = partial(tuple.__new__, BagMessage), MESSAGE_RECORD.unpack_from
    found: list[BagMessage] = []
    position, size = 0, len(raw)
    while position + MESSAGE_RECORD.size <= size:
        opcode, length, channel, _, log_ns, _ = unpack(raw, position)
        begin, position = position + MESSAGE_RECORD.size, position + PREFIX.size + length
        if position > size or (opcode == MESSAGE and length < _MESSAGE_HEADER_BYTES):
            break
        if opcode == MESSAGE and channel in wanted:
            found.append(make((*wanted[channel], log_ns, raw[begin:position])))
    found.sort(key=itemgetter(2))
    return found
