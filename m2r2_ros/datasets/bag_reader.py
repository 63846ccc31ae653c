# SPDX-License-Identifier: Apache-2.0
"""Raw messages of a rosbag2 bag (folder, .mcap or .db3), in order of log time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from m2r2_ros.datasets.bounded_chunks import MAX_CHUNK_BYTES, bound_decompression
from m2r2_ros.errors import M2R2Error


class BagMessage(NamedTuple):
    """One serialised message as it was recorded."""

    topic: str
    type_name: str
    log_ns: int
    data: bytes


class Bag:
    """An open bag: `types` maps each topic to its message type ("pkg/msg/Type")."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self.types = {c.topic: c.msgtype for c in reader.connections}
        self.connections: list[Connection] = list(reader.connections)
        self.message_count = reader.message_count
        self.start_ns, self.end_ns = reader.start_time, reader.end_time
        self._reader = reader

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yield the messages of `topics` (of all, by default) in order of log time.

        Raises M2R2Error where the bag turns out to be damaged.
        """
        chosen = [c for c in self.connections if topics is None or c.topic in topics]
        if not chosen:
            return
        # A named tuple's own constructor costs a tenth of the whole reading.
        make = partial(tuple.__new__, BagMessage)
        with _one_line(self.path):
            for connection, log_ns, data in self._reader.messages(chosen):
                # SQLite stores any type in any column.
                if type(data) is not bytes or type(log_ns) is not int:
                    raise M2R2Error(f"a message on {connection.topic} is no serialised message")
                yield make((connection.topic, connection.msgtype, log_ns, data))


@contextmanager
def open_bag(path: Path | str) -> Iterator[Bag]:
    """Open a bag for reading. Raises M2R2Error, in one line, when that fails."""
    path = Path(path)
    if not path.exists():
        raise M2R2Error(f"{path}: no such bag")
    bound_decompression()
    with _one_line(path):
        reader = Reader(path)
        reader.open()
    try:
        with _one_line(path):
            _check_chunks(reader)
            bag = Bag(path, reader)
        yield bag
    finally:
        reader.close()


def _check_chunks(reader: Reader) -> None:
    for storage in getattr(reader.storage, "storages", [reader.storage]):
        for chunk in getattr(storage, "chunks", ()):
            if max(chunk.uncompressed_size, chunk.compressed_size) > MAX_CHUNK_BYTES:
                raise M2R2Error(f"a chunk is larger than {MAX_CHUNK_BYTES} bytes")


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error
    except Exception as error:  # damaged bags fail inside codecs, parsers and SQLite alike
        reason = " ".join(str(error).split()) or type(error).__name__
        raise M2R2Error(f"{path}: cannot read this bag: {reason}") from error
