# SPDX-License-Identifier: Apache-2.0
"""A rosbag2 .db3 file, all schemas since Dashing, with what a killed recorder left beside it.

The file and its neighbours are only read: a write-ahead log stays as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

# It comes with rosbags.
from rosbags.rosbag2.storage_sqlite3 import apsw

from m2r2_ros.datasets.bag_storage import BagMessage, LogSpan, StoredTopic
from m2r2_ros.datasets.damage import recover
from m2r2_ros.datasets.mcap_records import MSG_FILES
from m2r2_ros.errors import M2R2Error

# SQLite's file formats (sqlite.org/fileformat2.html): the main file, the write-ahead log, and the
# journal of a transaction that was not finished.
_WAL_MAGIC = (0x377F0682, 0x377F0683)
_WAL_HEADER, _FRAME_HEADER = 32, 24
_JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"


class SqliteStorage:
    """See `bag_storage.Storage`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self._check_journal()
        with self._one_line():
            self._connection = self._connect()
            try:
                self._check_tables()
                self._names = self._read_topics()
                self.start_ns, self.end_ns = self._span()
            except BaseException:
                self._connection.close()
                raise
        self.topics = list(self._names.values())

    def messages(
        self, topics: Collection[str], within: LogSpan | None = None
    ) -> Iterator[BagMessage]:
        """See `bag_storage.Storage`."""
        names = {n: (t.name, t.type_name) for n, t in self._names.items() if t.name in topics}
        times = "" if within is None else "AND timestamp >= ? AND timestamp < ? "
        query = (
            "SELECT topic_id, timestamp, data FROM messages "
            f"WHERE topic_id IN ({','.join('?' * len(names))}) {times}ORDER BY timestamp, rowid"
        )
        with self._one_line():
            for number, log_ns, data in self._connection.execute(query, (*names, *(within or ()))):
                name, type_name = names[number]
                # SQLite stores any type in any column.
                if type(data) is not bytes or type(log_ns) is not int:
                    raise M2R2Error(f"{self.path}: a message on {name} is no serialised message")
                yield BagMessage(name, type_name, log_ns, data)

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> Any:
        """Open read-only; with a write-ahead log, so that what is only in the log is read too."""
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        name = f"file:{quote(str(self.path.absolute()))}"
        if not self._has_log():
            self._check_length()
            return apsw.Connection(f"{name}?immutable=1", flags=flags)
        # Without locks and shared memory, and without the checkpoint at the end: nothing is
        # written, on a read-only disk either.
        connection = apsw.Connection(f"{name}?vfs=unix-none", flags=flags)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        return connection

    def _has_log(self) -> bool:
        log = self._beside("-wal")
        if not log.is_file() or not log.stat().st_size:
            return False
        with log.open("rb") as file:
            header = file.read(_WAL_HEADER)
        magic, _, page = struct.unpack(">III", header[:12].ljust(12, b"\0"))
        frames = log.stat().st_size - _WAL_HEADER
        if magic not in _WAL_MAGIC or not page or frames % (page + _FRAME_HEADER):
            self.problems.append(f"{log.name} is cut off or damaged: its last messages are lost")
        return True

    def _check_journal(self) -> None:
        journal = self._beside("-journal")
        if not journal.is_file():
            return
        with journal.open("rb") as file:
            if file.read(8) == _JOURNAL_MAGIC:
                raise M2R2Error(
                    f"{self.path}: {journal.name} shows that its recorder was killed while it "
                    f"wrote: `sqlite3 {self.path} 'PRAGMA integrity_check'` undoes the half of it"
                )

    def _check_length(self) -> None:
        """Compare the file with the length that its header states."""
        with self.path.open("rb") as file:
            header = file.read(100).ljust(100, b"\0")
        (size,) = struct.unpack_from(">H", header, 16)
        changes, pages = struct.unpack_from(">II", header, 24)
        (valid_for,) = struct.unpack_from(">I", header, 92)
        stated, there = pages * (65536 if size == 1 else size), self.path.stat().st_size
        if changes == valid_for and there < stated:
            raise M2R2Error(
                f"{self.path}: cut off, {there} of {stated} bytes are there: copy it again, or "
                f"{recover(self.path)}"
            )

    def _check_tables(self) -> None:
        """A view would be a program that the file brings along."""
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if not {("topics",), ("messages",)} <= set(self._connection.execute(query)):
            raise M2R2Error(f"{self.path}: an SQLite file without the tables of a rosbag2 bag")

    def _read_topics(self) -> dict[int, StoredTopic]:
        """Topics by the number that messages give them; numbers without a topic are said."""
        counts = dict(
            self._connection.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id")
        )
        columns = {row[1] for row in self._connection.execute("PRAGMA table_info(topics)")}
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        rows = self._connection.execute(
            f"SELECT id, name, type, serialization_format, {qos} FROM topics ORDER BY id"
        ).fetchall()
        texts = self._read_definitions()
        topics = {
            number: StoredTopic(
                str(name),
                str(kind),
                str(encoding),
                counts.get(number, 0),
                stored,
                texts.get(kind, ""),
            )
            for number, name, kind, encoding, stored in rows
        }
        lost = sum(count for number, count in counts.items() if number not in topics)
        if lost:
            self.problems.append(f"{self.path.name}: {lost} messages belong to no topic")
        return topics

    def _read_definitions(self) -> dict[str, str]:
        """Type -> its definition as .msg files say it, in bags of Iron and later."""
        columns = {r[1] for r in self._connection.execute("PRAGMA table_info(message_definitions)")}
        if not {"topic_type", "encoding", "encoded_message_definition"} <= columns:
            return {}
        rows = self._connection.execute(
            "SELECT topic_type, encoded_message_definition FROM message_definitions "
            "WHERE encoding = ?",
            (MSG_FILES,),
        )
        return {str(kind): str(text) for kind, text in rows}

    def _span(self) -> tuple[int, int]:
        ((first, last),) = self._connection.execute(
            "SELECT min(timestamp), max(timestamp) FROM messages"
        )
        whole = type(first) is int and type(last) is int
        if not whole and first is not None:
            raise M2R2Error(f"{self.path}: a log time that is no whole number")
        return (first, last) if whole else (0, 0)

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except (apsw.Error, UnicodeDecodeError) as error:
            reason = error.reason if isinstance(error, UnicodeDecodeError) else error
            raise M2R2Error(
                f"{self.path}: cannot read this bag ({reason}): {recover(self.path)}"
            ) from error
