# SPDX-License-Identifier: Apache-2.0
"""A flipped bit in an MCAP file without checksums is named wherever something contradicts it."""

from __future__ import annotations

import random
import struct
from collections import Counter

import pytest

from m2r2_ros.datasets.bag_description import RecordedTopic
from m2r2_ros.datasets.bag_qos import OfferedQos
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.mcap_records import CHUNK, MAGIC, MESSAGE, MESSAGE_RECORD, PREFIX
from m2r2_ros.datasets.mcap_writer import McapWriter

TOPICS, CHUNKS, MESSAGES = 3, 3, 40
MS = 1_000_000
# From the beginning of a chunk's record to its checksum and to its own records.
CRC_AT, RECORDS_AT = PREFIX.size + 24, PREFIX.size + 40
LENGTH_AT, CHANNEL_AT, TIME_AT = range(1, 9), range(9, 11), range(15, 23)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A file without checksums, and where the records of its messages begin."""
    path = tmp_path_factory.mktemp("bag") / "bag.mcap"
    writer = McapWriter(path)
    for k in range(TOPICS):
        topic = RecordedTopic(f"/topic{k}", "std_msgs/msg/String", OfferedQos(1), "string data\n")
        writer.add_channel(topic)
    for k in range(CHUNKS * MESSAGES):
        writer.add(1 + k % TOPICS, k * MS, b"\0\1\0\0" + bytes(8 + k % 5))
        if k % MESSAGES == MESSAGES - 1:
            writer.write(writer.seal())
    writer.close()
    data, at, messages = bytearray(path.read_bytes()), len(MAGIC), []
    while at < len(data) - len(MAGIC):
        opcode, length = PREFIX.unpack_from(data, at)
        if opcode == CHUNK:
            struct.pack_into("<I", data, at + CRC_AT, 0)
            messages += _messages(data, at + RECORDS_AT, at + PREFIX.size + length)
        at += PREFIX.size + length
    assert len(messages) == CHUNKS * MESSAGES
    return path, bytes(data), messages


def _messages(data, at, end):
    found = []
    while at < end:
        opcode, length = PREFIX.unpack_from(data, at)
        found += [at] * (opcode == MESSAGE)
        at += PREFIX.size + length
    return found


def read(path):
    with open_bag(path) as bag:
        found = [(m.topic, m.log_ns) for m in bag.messages()]
        return found, bag.problems


@pytest.mark.parametrize("where", [LENGTH_AT, CHANNEL_AT], ids=["length", "channel"])
def test_what_changes_the_number_of_messages_is_named(plain, tmp_path, where):
    path, data, messages = plain
    whole = read(path)[0]
    for seed in range(50):
        flipped, _ = _flip(data, messages, where, seed)
        (tmp_path / "bag.mcap").write_bytes(flipped)
        found, problems = read(tmp_path / "bag.mcap")
        assert problems or Counter(found) == Counter(whole), seed


def test_a_time_that_its_chunk_cannot_have_is_named(plain, tmp_path):
    _, data, messages = plain
    named = 0
    for seed in range(50):
        flipped, at = _flip(data, messages, TIME_AT, seed)
        (tmp_path / "bag.mcap").write_bytes(flipped)
        _, problems = read(tmp_path / "bag.mcap")
        chunk = messages.index(at) // MESSAGES
        log_ns = MESSAGE_RECORD.unpack_from(flipped, at)[4]
        is_possible = chunk * MESSAGES * MS <= log_ns <= ((chunk + 1) * MESSAGES - 1) * MS
        assert any("other times than its index states" in line for line in problems) != is_possible
        named += not is_possible
    assert named > 20


def _flip(data, messages, where, seed):
    """One bit of one message's record; where that begins."""
    rng = random.Random(seed)
    at, flipped = rng.choice(messages), bytearray(data)
    flipped[at + rng.choice(where)] ^= 1 << rng.randrange(8)
    return bytes(flipped), at
