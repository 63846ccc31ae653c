# SPDX-License-Identifier: Apache-2.0
"""Bags as recorders of all ages write them, record by record, whole or with a quirk.

Written from the specifications (mcap.dev/spec, rosbag2's SQL schemas), beside what reads them.
"""

from __future__ import annotations

import random
import sqlite3
import struct
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import lz4.frame
import yaml
from rosbags.rosbag2.storage_mcap import zstd

from m2r2_ros.messages.definitions import typestore

MAGIC = b"\x89MCAP0\r\n"
TYPE = "std_msgs/msg/String"
COMPRESS = {"": bytes, "zstd": zstd.compress, "lz4": lz4.frame.compress}


class Message(NamedTuple):
    topic: str
    log_ns: int
    data: bytes


def text_message(text: str) -> bytes:
    """A std_msgs/String."""
    data = text.encode() + b"\0"
    return b"\0\1\0\0" + struct.pack("<I", len(data)) + data


def make_messages(count=30, topics=("/a", "/b"), start_ns=1_700_000_000 * 10**9, seed=0):
    """Messages at jittered times, each with a text of its own."""
    choose = random.Random(seed)
    times = sorted(choose.sample(range(10**9), count))
    return [
        Message(choose.choice(topics), start_ns + t, text_message(f"seed {seed} message {k:06d}"))
        for k, t in enumerate(times)
    ]


def definition(type_name: str) -> str:
    """As a recorder writes it: the .msg file, and those that it needs."""
    if type_name not in typestore().fielddefs or type_name == TYPE:
        return "string data"
    return typestore().generate_msgdef(type_name, ros_version=2)[0]


def write_mcap(
    path: Path,
    messages,
    *,
    chunk=5,
    compression="",
    index=True,
    message_index=True,
    statistics=True,
    summary=True,
    closed=True,
    profile="ros2",
    encoding="cdr",
    foreign="",
    qos="",
    stated=None,
    checksum=True,
    type_name=TYPE,
):
    """Write an MCAP file. `chunk`: messages a chunk, 0 without chunks; `stated`: a wrong count;
    `foreign`: topic that is described and has no message."""
    topics = list(dict.fromkeys([m.topic for m in messages] + ([foreign] if foreign else [])))
    schema = struct.pack("<H", 1) + text(type_name) + text("ros2msg") + text(definition(type_name))
    described = record(3, schema)
    for number, topic in enumerate(topics):
        metadata = text(text("offered_qos_profiles") + text(qos))
        described += record(
            4, struct.pack("<HH", number, 1) + text(topic) + text(encoding) + metadata
        )
    data = bytearray(MAGIC + record(1, text(profile) + text("test")))
    data += b"" if chunk else described
    indices = b""
    parts = [messages[k : k + chunk] for k in range(0, len(messages), chunk)] if chunk else []
    for k, part in enumerate(parts):
        raw = described if k == 0 else b""
        offsets: dict[int, list[tuple[int, int]]] = {}
        for message in part:
            offsets.setdefault(topics.index(message.topic), []).append((message.log_ns, len(raw)))
            raw += message_record(topics.index(message.topic), message)
        packed = COMPRESS[compression](raw)
        times = [message.log_ns for message in part]
        body = struct.pack("<QQQI", min(times), max(times), len(raw), crc32(raw) if checksum else 0)
        body += text(compression) + struct.pack("<Q", len(packed)) + packed
        start = len(data)
        data += record(6, body)
        length, places, at = len(data) - start, b"", len(data)
        for channel, entries in offsets.items() if message_index else ():
            places += struct.pack("<HQ", channel, len(data))
            rows = b"".join(struct.pack("<QQ", *entry) for entry in entries)
            data += record(7, struct.pack("<H", channel) + text(rows))
        indices += record(
            8,
            struct.pack("<QQQQ", min(times), max(times), start, length)
            + text(places)
            + struct.pack("<Q", len(data) - at)
            + text(compression)
            + struct.pack("<QQ", len(packed), len(raw)),
        )
    for message in messages if not chunk else ():
        data += message_record(topics.index(message.topic), message)
    data += record(15, struct.pack("<I", 0))
    if closed:
        counts = Counter(topics.index(m.topic) for m in messages)
        total = len(messages) if stated is None else stated
        per_channel = b"".join(struct.pack("<HQ", *pair) for pair in counts.items())
        times = [message.log_ns for message in messages] or [0]
        totals = record(
            11,
            struct.pack(
                "<QHIIIIQQ", total, 1, len(topics), 0, 0, len(parts), min(times), max(times)
            )
            + text(per_channel),
        )
        begin = len(data) if summary else 0
        if summary:
            data += described + (indices if index else b"") + (totals if statistics else b"")
        data += record(2, struct.pack("<QQI", begin, 0, 0)) + MAGIC
    path.write_bytes(data)
    return path


def message_record(channel: int, message: Message) -> bytes:
    header = struct.pack("<HIQQ", channel, 0, message.log_ns, message.log_ns)
    return record(5, header + message.data)


def record(opcode: int, body: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(body)) + body


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(data)) + data


# Since Dashing, since Foxy, since Iron: what the table of topics has.
SCHEMAS = {
    1: "id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT",
    2: "id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, "
    "offered_qos_profiles TEXT",
    4: "id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, "
    "offered_qos_profiles TEXT, type_description_hash TEXT",
}


def write_db3(
    path: Path, messages, *, schema=4, qos="", encoding="cdr", foreign="", ordered_index=True, wal=0
):
    """Write an SQLite file; the last `wal` messages are only in the log of a killed recorder."""
    topics = list(dict.fromkeys([m.topic for m in messages] + ([foreign] if foreign else [])))
    building = path.with_suffix(".building")
    database = sqlite3.connect(building)
    if wal:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA wal_autocheckpoint=0")
    database.execute(f"CREATE TABLE topics({SCHEMAS[schema]})")
    database.execute(
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, "
        "data BLOB)"
    )
    if ordered_index:
        database.execute("CREATE INDEX timestamp_idx ON messages (timestamp ASC)")
    if schema == 4:
        database.execute("CREATE TABLE schema(schema_version INTEGER, ros_distro TEXT)")
        database.execute("INSERT INTO schema VALUES(4, 'jazzy')")
        database.execute(
            "CREATE TABLE message_definitions(id INTEGER, topic_type TEXT, encoding TEXT, "
            "encoded_message_definition TEXT, type_description_hash TEXT)"
        )
    rest = {1: (), 2: (qos,), 4: (qos, "")}[schema]
    for number, topic in enumerate(topics, start=1):
        row = (number, topic, TYPE, encoding, *rest)
        database.execute(f"INSERT INTO topics VALUES({','.join('?' * len(row))})", row)
    rows = [(topics.index(m.topic) + 1, m.log_ns, m.data) for m in messages]
    insert = "INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)"
    database.executemany(insert, rows[: len(rows) - wal])
    database.commit()
    if wal:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.executemany(insert, rows[len(rows) - wal :])
        database.commit()
        path.with_name(path.name + "-wal").write_bytes(
            building.with_name(building.name + "-wal").read_bytes()
        )
    else:
        database.close()
    path.write_bytes(building.read_bytes())
    database.close()
    building.unlink()
    return path


def write_metadata(folder: Path, files, messages, *, version=9, qos="", mode="", **changes):
    """Write metadata.yaml; `changes` replace entries."""
    counts = {topic: len(list(rows)) for topic, rows in groupby(sorted(m.topic for m in messages))}
    times = [message.log_ns for message in messages] or [0]
    content = {
        "version": version,
        "storage_identifier": "mcap" if str(files[0]).endswith(".mcap") else "sqlite3",
        "relative_file_paths": [str(name) for name in files],
        "starting_time": {"nanoseconds_since_epoch": min(times)},
        "duration": {"nanoseconds": max(times) - min(times)},
        "message_count": len(messages),
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic,
                    "type": TYPE,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": qos,
                },
                "message_count": count,
            }
            for topic, count in counts.items()
        ],
        "compression_format": "zstd" if mode else "",
        "compression_mode": mode,
        **changes,
    }
    path = folder / "metadata.yaml"
    path.write_text(yaml.safe_dump({"rosbag2_bagfile_information": content}))
    return path
