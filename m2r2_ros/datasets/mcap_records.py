# SPDX-License-Identifier: Apache-2.0
"""Records of an MCAP file (mcap.dev/spec), parsed from bytes that may break off anywhere."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 1, 2, 3, 4, 5, 6
CHUNK_INDEX, STATISTICS, DATA_END = 8, 11, 15
# Opcode and length in front of every record.
PREFIX = struct.Struct("<BQ")
# Opcode, length, channel, sequence, log time, publish time.
MESSAGE_RECORD = struct.Struct("<BQHIQQ")

QOS_KEY = "offered_qos_profiles"
# How a definition is written: as .msg files, one after the other.
MSG_FILES = "ros2msg"


class BrokenRecordError(Exception):
    """Bytes that are no record, or only the beginning of one."""


class Cursor:
    """Reads one record's fields in turn. Raises BrokenRecordError where they are not all there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def number(self, code: str) -> int:
        """One little-endian number of a `struct` code."""
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))
        return value

    def text(self) -> str:
        """A text with its length in front; what is no UTF-8 is replaced."""
        return self.take(self.number("I")).decode("utf-8", "replace")

    def numbers(self, code: str) -> dict[int, int]:
        """A map of numbers; `code` are those of a key and a value."""
        data = self.take(self.number("I"))
        if len(data) % struct.calcsize(f"<{code}"):
            raise BrokenRecordError("a map that is cut off")
        return dict(struct.iter_unpack(f"<{code}", data))

    def map_entry(self, key: str) -> str:
        """The value of `key` in a map of texts, "" without it."""
        entries = Cursor(self.take(self.number("I")))
        while entries.rest():
            name, value = entries.text(), entries.text()
            if name == key:
                return value
        return ""

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        start, self._position = self._position, self._position + size
        if self._position > len(self._data):
            raise BrokenRecordError(f"a record of {len(self._data)} bytes is too short")
        return self._data[start : self._position]

    def rest(self) -> bytes:
        """What has not been read."""
        return self._data[self._position :]


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield opcode and content of the records in `data`; ends before one that is cut off."""
    position, size = 0, len(data)
    while position + PREFIX.size <= size:
        opcode, length = PREFIX.unpack_from(data, position)
        begin, position = position + PREFIX.size, position + PREFIX.size + length
        if position > size:
            return
        yield opcode, data[begin:position]


@dataclass(frozen=True)
class Channel:
    """One publisher's topic: `encoding` of its messages, `qos` as rosbag2 writes it.

    `definition`: of its type, as ROS's .msg files say it; "" where it is said in another way.
    """

    topic: str
    type_name: str
    encoding: str
    qos: str
    definition: str = ""


@dataclass(frozen=True)
class McapChunk:
    """Records at `offset` in the file, `length` bytes: a CHUNK record, or a run of plain ones.

    raw_bytes  their size in memory.
    channels   those that it has messages of; None where nobody says.
    whole      False where the file breaks off inside of it.
    """

    start_ns: int
    end_ns: int
    offset: int
    length: int
    raw_bytes: int
    channels: frozenset[int] | None = None
    is_plain: bool = False
    whole: bool = True


@dataclass
class Contents:
    """What is in a file: channels by number, the messages of each, and where they are."""

    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    chunks: list[McapChunk] = field(default_factory=list)
    start_ns: int = 0
    end_ns: int = 0
    # Name and definition.
    _schemas: dict[int, tuple[str, str]] = field(default_factory=dict)

    def describe(self, opcode: int, record: Cursor) -> None:
        """Take a schema or a channel; other records are not looked at."""
        if opcode == SCHEMA:
            number = record.number("H")
            name, encoding, definition = record.text(), record.text(), record.text()
            self._schemas[number] = name, definition if encoding == MSG_FILES else ""
        elif opcode == CHANNEL:
            number, schema = record.number("H"), record.number("H")
            name, definition = self._schemas.get(schema, ("", ""))
            topic, encoding, qos = record.text(), record.text(), record.map_entry(QOS_KEY)
            self.channels[number] = Channel(topic, name, encoding, qos, definition)
