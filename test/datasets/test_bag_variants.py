# SPDX-License-Identifier: Apache-2.0
"""Bags with the quirks and the damage that people have: every message, or a line about it."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
import yaml
from bag_files import (
    COMPRESS,
    Message,
    make_messages,
    text_message,
    write_db3,
    write_mcap,
    write_metadata,
)

from m2r2_ros.datasets.bag_qos import OfferedQos, offered_qos
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.errors import M2R2Error

QOS_V9 = [
    {
        "history": "keep_last", "depth": 10, "reliability": "reliable", "durability": "volatile",
        "deadline": {"sec": 0, "nsec": 0}, "lifespan": {"sec": 0, "nsec": 0},
        "liveliness": "automatic", "liveliness_lease_duration": {"sec": 0, "nsec": 0},
        "avoid_ros_namespace_conventions": False,
    }
]  # fmt: skip
QOS_V8 = yaml.safe_dump([{**QOS_V9[0], "history": 1, "reliability": 2, "durability": 1}])
QOS = ["", None, [], QOS_V9, QOS_V8, "- {history: 77, depth: -1}", "no: [yaml", "- 3", "~", "[[]]"]


def read(path: Path) -> tuple[list[Message], list[str]]:
    with open_bag(path) as bag:
        found = [Message(m.topic, m.log_ns, m.data) for m in bag.messages()]
        return found, bag.problems


def assert_same(found, expected):
    """The same messages, in order of log time."""
    assert Counter(found) == Counter(expected)
    assert [m.log_ns for m in found] == sorted(m.log_ns for m in found)


class Variant:
    """A bag drawn by a seed: how it was recorded, and what became of it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.choose = folder, random.Random(seed)
        self.messages = make_messages(self.choose.randrange(1, 60), ("/a", "/b", "/c"), seed=seed)
        self.said = ""  # What a line must say, "" where nothing is wrong.

    def write(self) -> Path:
        choose, folder = self.choose, self.folder
        parts = self._parts()
        mode = choose.choice(["", "", "file", "message"])
        names = []
        for number, part in enumerate(parts):
            kind = choose.choice(["mcap", "db3"])
            packed = part
            if mode == "message":
                packed = [m._replace(data=COMPRESS["zstd"](m.data)) for m in part]
            file = self._write_file(folder / f"bag_{number}.{kind}", packed, mode != "file")
            if mode == "file" and choose.random() < 0.8:
                whole, file = file, file.with_name(file.name + ".zstd")
                file.write_bytes(COMPRESS["zstd"](whole.read_bytes()))
                whole.unlink()
            names.append(file.name)
        self._write_metadata(names, mode)
        return folder

    def _parts(self) -> list[list[Message]]:
        """One file, several after another, several at the same time, or one empty."""
        count, messages = self.choose.randrange(1, 4), self.messages
        how = self.choose.choice(["split", "topics", "shuffled", "empty"])
        if how == "topics":
            return [[m for m in messages if m.topic == t] for t in ("/a", "/b", "/c")]
        if how == "shuffled":
            places = [self.choose.randrange(count) for _ in messages]
            return [
                [m for m, p in zip(messages, places, strict=True) if p == k] for k in range(count)
            ]
        size = -(-len(messages) // count)
        parts = [messages[k : k + size] for k in range(0, len(messages), size)]
        return [*parts, []] if how == "empty" else parts

    def _write_file(self, path: Path, part: list[Message], may_break: bool) -> Path:
        choose = self.choose
        qos = choose.choice([q for q in QOS if isinstance(q, str)])
        if path.suffix == ".db3":
            part = choose.sample(part, len(part))
            wal = choose.choice([0, 0, len(part) // 2]) if may_break else 0
            return write_db3(
                path, part, schema=choose.choice([1, 2, 4]), qos=qos, wal=wal,
                ordered_index=choose.random() < 0.7,
            )  # fmt: skip
        if choose.random() < 0.3:
            part = choose.sample(part, len(part))
        return write_mcap(
            path, part, chunk=choose.choice([0, 1, 5, 99]),
            compression=choose.choice(list(COMPRESS)),
            index=choose.random() < 0.7, message_index=choose.random() < 0.7,
            statistics=choose.random() < 0.8, summary=choose.random() < 0.8,
            qos=qos, checksum=choose.random() < 0.5,
        )  # fmt: skip

    def _write_metadata(self, names: list[str], mode: str) -> None:
        choose, stated = self.choose, self.messages
        odd = choose.choice(["", "", "", "missing", "damaged", "counts", "twice", "order", "newer"])
        version = choose.choice([1, 4, 5, 6, 7, 8, 9])
        if odd == "missing" and self._is_one_recording(names):
            self.said = "metadata.yaml is missing"
            return
        if odd == "counts":
            stated = stated[: len(stated) // 2]
            self.said = f"metadata.yaml states {len(stated)} messages, {len(self.messages)} are"
            self.said = self.said if stated else ""
        if odd == "twice":
            names, self.said = [*names, names[0]], "names a file twice"
        if odd == "order":
            names = names[::-1]
        if odd == "newer":
            version, self.said = 10, "metadata.yaml has version 10"
        path = write_metadata(
            self.folder, names, stated, version=version, qos=choose.choice(QOS), mode=mode
        )
        if odd == "damaged" and self._is_one_recording(names):
            self.said = "metadata.yaml "
            path.write_bytes(path.read_bytes()[: choose.randrange(40, 90)])

    @staticmethod
    def _is_one_recording(names: list[str]) -> bool:
        return len({Path(name.removesuffix(".zstd")).suffix for name in names}) == 1


@pytest.mark.parametrize("seed", range(120))
def test_every_message_of_an_odd_bag_is_read(tmp_path, seed):
    variant = Variant(tmp_path, seed)
    found, problems = read(variant.write())
    assert_same(found, variant.messages)
    assert any(variant.said in line for line in problems) if variant.said else problems == []


@pytest.mark.parametrize("seed", range(60))
def test_an_mcap_that_breaks_off_is_read_up_to_there(tmp_path, seed):
    choose = random.Random(seed)
    messages = make_messages(40, seed=seed)
    chunk = choose.choice([0, 3, 7, 99])
    file = write_mcap(tmp_path / "a.mcap", messages, chunk=chunk)
    content = file.read_bytes()
    # A message that is there to its last byte can be read, wherever the file ends.
    ends = {m: content.index(m.data) + len(m.data) for m in messages}
    cut = choose.randrange(200, len(content))
    tail = choose.choice([b"", bytes(900), choose.randbytes(5)])
    file.write_bytes(content[:cut] + tail)
    found, problems = read(file)
    sure = [m for m in messages if ends[m] <= cut]
    if not tail:
        assert found == sure
    else:
        # The record, or the chunk, in which the zeros begin cannot be trusted.
        doubtful = chunk or 1
        kept = sure[: len(sure) - len(sure) % doubtful - (not chunk)]
        assert set(kept) <= set(found)
        # Garbage that makes a message of the right length is one, where nothing has a checksum.
        assert len(set(found) - set(sure)) <= (chunk == 0 and len(tail) == 5)
    if len(found) < len(messages):
        assert any(
            "`mcap recover " in line and f": {len(found)} messages" in line for line in problems
        )


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("storage", ["mcap", "db3"])
def test_fewer_messages_are_never_read_without_a_word(tmp_path, seed, storage):
    """Bytes are lost, changed or repeated anywhere, behind metadata.yaml's back."""
    choose = random.Random(1000 + seed)
    messages = make_messages(40, seed=seed)
    file = tmp_path / f"bag_0.{storage}"
    if storage == "mcap":
        write_mcap(
            file, messages, chunk=choose.choice([0, 5]), compression=choose.choice(list(COMPRESS))
        )
    else:
        write_db3(file, messages, schema=choose.choice([1, 2, 4]))
    write_metadata(tmp_path, [file.name], messages)
    content = bytearray(file.read_bytes())
    place, size = choose.randrange(len(content)), choose.randrange(1, 200)
    match choose.randrange(4):
        case 0:
            del content[place:]
        case 1:
            content[place : place + size] = choose.randbytes(size)
        case 2:
            content[place : place + size] = bytes(size)
        case 3:
            del content[place : place + size]
    file.write_bytes(content)
    try:
        found, problems = read(tmp_path)
    except M2R2Error as error:
        assert "\n" not in str(error) and str(tmp_path) in str(error)
        return
    keys = Counter((m.topic, m.log_ns) for m in found)
    if keys != Counter((m.topic, m.log_ns) for m in messages) and len(found) != len(messages):
        assert problems, "fewer messages, and nobody said so"


def test_qos_that_differs_between_metadata_and_storage(tmp_path):
    """Public advice for another error: set every offered_qos_profiles to "" in metadata.yaml."""
    messages = make_messages()
    write_mcap(tmp_path / "bag_0.mcap", messages, qos=QOS_V8)
    write_metadata(tmp_path, ["bag_0.mcap"], messages, qos="")
    assert read(tmp_path) == (messages, [])


def test_the_log_of_a_killed_recorder_is_read_and_left_as_it_is(tmp_path):
    messages = make_messages(100)
    file = write_db3(tmp_path / "bag_0.db3", messages, wal=50)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 2
    found, problems = read(file)
    assert_same(found, messages)
    assert problems == []
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_log_that_is_cut_off_is_said(tmp_path):
    messages = make_messages(100)
    file = write_db3(tmp_path / "bag_0.db3", messages, wal=50)
    log = file.with_name("bag_0.db3-wal")
    log.write_bytes(log.read_bytes()[:-100])
    found, problems = read(file)
    assert_same(found, messages[:50])
    assert problems == ["bag_0.db3-wal is cut off or damaged: its last messages are lost"]


def test_a_transaction_that_was_not_finished_is_named(tmp_path):
    file = write_db3(tmp_path / "a.db3", make_messages())
    file.with_name("a.db3-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(99))
    with pytest.raises(M2R2Error, match=r"a\.db3-journal shows that its recorder was killed"):
        read(file)


@pytest.mark.parametrize("storage", ["mcap", "db3"])
def test_a_file_of_compressed_messages_without_its_folder(tmp_path, storage):
    messages = make_messages()
    packed = [m._replace(data=COMPRESS["zstd"](m.data)) for m in messages]
    write = write_mcap if storage == "mcap" else write_db3
    assert read(write(tmp_path / f"a.{storage}", packed)) == (messages, [])


def test_messages_in_another_compression_are_named(tmp_path):
    messages = make_messages()
    packed = [m._replace(data=COMPRESS["lz4"](m.data)) for m in messages]
    write_mcap(tmp_path / "bag_0.mcap", packed)
    write_metadata(tmp_path, ["bag_0.mcap"], messages, mode="message", compression_format="lz4")
    with pytest.raises(M2R2Error, match="messages are compressed with 'lz4', only zstd is read"):
        read(tmp_path)


FIRST_BYTES = {
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "`git lfs pull`"),
    "ros1": (b"#ROSBAG V2.0\n", "ROS 1 bag: `rosbags-convert"),
    "gzip": (b"\x1f\x8b\x08", "`gunzip "),
    "page": (b"<!DOCTYPE html><html>", "web page"),
    "zip": (b"PK\x03\x04", "`unzip "),
    "empty": (b"", "it is empty"),
    "zeros": (bytes(4096), "begins with zeros"),
    "text": (b"hello", "is no MCAP or SQLite file"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "HDF5"),
}


@pytest.mark.parametrize("name", ["a.mcap", "a.db3", "bag"])
@pytest.mark.parametrize("kind", FIRST_BYTES)
def test_what_stands_in_a_bags_place_is_named(tmp_path, kind, name):
    content, remedy = FIRST_BYTES[kind]
    path = tmp_path / name
    if name == "bag":
        path.mkdir()
        write_metadata(path, ["bag_0.mcap"], make_messages())
    (path / "bag_0.mcap" if path.is_dir() else path).write_bytes(content)
    with pytest.raises(M2R2Error) as caught:
        read(path)
    assert remedy in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["ros1", "protobuf", "json", "flatbuffer"])
def test_messages_in_another_encoding(tmp_path, encoding):
    messages = make_messages()
    file = write_mcap(tmp_path / "a.mcap", messages, encoding=encoding, profile="x")
    with pytest.raises(M2R2Error, match=f"cannot read this bag: it holds .*{encoding[:3]}"):
        read(file)
    both = tmp_path / "both"
    both.mkdir()
    file.rename(both / "both_0.mcap")
    others = make_messages(seed=1, topics=("/c",))
    write_mcap(both / "both_1.mcap", others)
    write_metadata(both, ["both_0.mcap", "both_1.mcap"], others)
    assert read(both) == (others, [f"30 messages in '{encoding}' are left out, not 'cdr'"])


def test_wrong_totals_in_an_index_are_not_believed(tmp_path):
    messages = make_messages()
    found, problems = read(write_mcap(tmp_path / "a.mcap", messages, stated=7))
    assert found == messages and problems == []


def test_a_damaged_chunk_is_left_out_and_said(tmp_path):
    messages = make_messages(40)
    file = write_mcap(tmp_path / "a.mcap", messages, chunk=10)
    content = bytearray(file.read_bytes())
    place = content.index(messages[15].data)
    content[place + 10] ^= 1
    file.write_bytes(content)
    found, problems = read(file)
    assert found == messages[:10] + messages[20:]
    assert "is left out: its size or checksum is wrong" in problems[0]
    assert "the files state 40 messages, 30 can be read" in problems[1]


def test_files_that_cover_the_same_time_are_merged(tmp_path):
    messages = make_messages(200)
    for number, topic in enumerate(("/a", "/b")):
        part = [m for m in messages if m.topic == topic]
        write_mcap(tmp_path / f"bag_{number}.mcap", part)
    write_metadata(tmp_path, ["bag_0.mcap", "bag_1.mcap"], messages)
    assert read(tmp_path) == (messages, [])


def test_parts_that_are_missing(tmp_path):
    messages = make_messages(20)
    write_mcap(tmp_path / "bag_0.mcap", messages[:10])
    write_metadata(tmp_path, ["bag_0.mcap", "bag_1.mcap"], messages)
    with pytest.raises(M2R2Error, match=r"1 of 2 files are missing, the first is bag_1\.mcap: "):
        read(tmp_path)
    (tmp_path / "bag_0.mcap").rename(tmp_path / "renamed.mcap")
    write_metadata(tmp_path, ["bag_0.mcap"], messages[:10])
    found, (problem,) = read(tmp_path)
    assert found == messages[:10] and "names bag_0.mcap, renamed.mcap is read" in problem


def test_a_folder_of_several_recordings_is_no_bag(tmp_path):
    for name in ("monday", "tuesday"):
        write_mcap(tmp_path / f"{name}.mcap", make_messages())
    with pytest.raises(M2R2Error, match="not parts of one recording, give one of them"):
        read(tmp_path)


def test_a_file_that_metadata_does_not_name(tmp_path):
    messages = make_messages(20)
    write_mcap(tmp_path / "bag_0.mcap", messages)
    write_mcap(tmp_path / "bag_1.mcap", make_messages(seed=3))
    write_metadata(tmp_path, ["bag_0.mcap"], messages)
    found, (problem,) = read(tmp_path)
    assert found == messages and problem.startswith("bag_1.mcap is not named in metadata.yaml")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (QOS_V9, OfferedQos(10)),
        (QOS_V8, OfferedQos(10, best_effort=True, transient_local=True)),
        ([{"depth": 5, "reliability": "best_effort", "durability": "transient_local"}],
         OfferedQos(5, best_effort=True, transient_local=True)),
        ([{"depth": -1, "reliability": None, "durability": [1]}, {"depth": 7}], OfferedQos()),
        ([{"depth": 2**40, "reliability": True}], OfferedQos()),
        ("[" * 10_000, OfferedQos()),
        ("&a [*a]", OfferedQos()),
        (7, OfferedQos()),
        *((stored, OfferedQos()) for stored in ("", None, [], "~", "no: [yaml", "- 3", "[[]]")),
    ],
)  # fmt: skip
def test_the_quality_of_service_in_any_spelling(stored, expected):
    assert offered_qos(stored) == expected


def test_what_the_recorder_offered_is_kept_for_a_replay(tmp_path):
    """metadata.yaml's where it says anything, else the storage's."""
    messages = make_messages(5)
    write_mcap(tmp_path / "bag_0.mcap", messages, qos=QOS_V8)
    write_metadata(tmp_path, ["bag_0.mcap"], messages, qos="")
    with open_bag(tmp_path) as bag:
        assert {topic.qos.transient_local for topic in bag.topics.values()} == {True}
    write_metadata(tmp_path, ["bag_0.mcap"], messages, qos=QOS_V9)
    with open_bag(tmp_path) as bag:
        assert {topic.qos.transient_local for topic in bag.topics.values()} == {False}


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE messages SET topic_id = CAST(x'F0FF' AS TEXT)",
        "UPDATE topics SET name = CAST(x'F0FF' AS TEXT)",
        "UPDATE messages SET timestamp = 'soon'",
        "UPDATE messages SET timestamp = NULL",
        "UPDATE messages SET data = NULL",
        "UPDATE topics SET type = NULL",
        "DROP TABLE topics",
        "ALTER TABLE topics RENAME TO old; CREATE VIEW topics AS SELECT * FROM old",
    ],
)
def test_a_database_with_odd_values_is_one_line(tmp_path, harm):
    file = write_db3(tmp_path / "a.db3", make_messages(10))
    with sqlite3.connect(file) as database:
        database.executescript(harm)
    database.close()
    try:
        found, problems = read(file)
        assert len(found) == 10 or problems
    except M2R2Error as error:
        assert str(error).isprintable() and str(file) in str(error)


def test_messages_without_a_topic_are_counted(tmp_path):
    file = write_db3(tmp_path / "a.db3", make_messages(10, topics=("/a",)))
    with sqlite3.connect(file) as database:
        database.execute("UPDATE messages SET topic_id = 9 WHERE id > 7")
    database.close()
    found, problems = read(file)
    assert len(found) == 7 and problems == ["a.db3: 3 messages belong to no topic"]


@pytest.mark.parametrize("step_ns", [0, 1_000_000])
def test_log_times_that_are_no_times_are_said(tmp_path, step_ns):
    """Some converters log all messages at one time."""
    messages = [Message("/a", 10**18 + k * step_ns, text_message("x")) for k in range(1500)]
    write_mcap(tmp_path / "a.mcap", messages)
    found, problems = read(tmp_path / "a.mcap")
    assert len(found) == 1500
    assert any("log times are not when they came" in line for line in problems) == (not step_ns)
