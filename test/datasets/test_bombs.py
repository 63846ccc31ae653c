# SPDX-License-Identifier: Apache-2.0
"""Small files that would become huge, texts that crash libhdf5, disks that are full."""

from __future__ import annotations

import sqlite3
import struct
import tempfile

import h5py
import numpy as np
import pytest
from recordings import recording
from rosbags.rosbag2 import (
    CompressionFormat,
    CompressionMode,
    StoragePlugin,
    Writer,
    storage_mcap,
)

from m2r2_ros.datasets import bag_writer, bounded_chunks
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.bag_streams import bag_content
from m2r2_ros.datasets.bounded_chunks import MAX_CHUNK_BYTES, BrokenChunkError, unpack_chunk
from m2r2_ros.datasets.hdf5 import Hdf5Error, open_hdf5, read_text
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.messages.encode import encode_vectors
from m2r2_ros.messages.signals import WRENCH


def compressed_bag(path):
    """A bag whose only message is compressed in its chunk."""
    message = next(encode_vectors(WRENCH, np.array([5]), np.ones((1, 6)), "ft"))
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/wrist/wrench", WRENCH, typestore=typestore())
        writer.write(connection, 1, message)
    return path / f"{path.name}.mcap"


def test_honest_chunks_are_read(tmp_path):
    file = compressed_bag(tmp_path / "bag")
    with open_bag(file) as bag:
        assert [message.topic for message in bag.messages()] == ["/wrist/wrench"]


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_chunk_that_is_larger_than_it_says(codec):
    import lz4.frame

    bomb = {
        "zstd": lambda: storage_mcap.zstd.compress(bytes(2**28)),
        "lz4": lambda: lz4.frame.compress(bytes(2**28)),
    }[codec]()
    assert len(bomb) < 2**21
    with pytest.raises(BrokenChunkError, match="larger than the 1000 bytes that it declares"):
        unpack_chunk(bomb, codec, 1000)
    with pytest.raises(M2R2Error, match=f"a chunk is larger than {MAX_CHUNK_BYTES} bytes"):
        unpack_chunk(bomb, codec, MAX_CHUNK_BYTES + 1)
    honest = {"zstd": storage_mcap.zstd.compress, "lz4": lz4.frame.compress}[codec](b"a" * 1000)
    assert unpack_chunk(honest, codec, 1000) == b"a" * 1000


def bag_compressed_by(mode, storage, path, count=3):
    """`count` messages, compressed one by one or as a file."""
    messages = encode_vectors(WRENCH, np.arange(count) + 5, np.ones((count, 6)), "ft")
    writer = Writer(path, version=9, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/wrist/wrench", WRENCH, typestore=typestore())
        for k, message in enumerate(messages):
            writer.write(connection, k + 1, message)
    return path


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files: nothing may stay in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


COMPRESSED = [
    (CompressionMode.FILE, StoragePlugin.MCAP),
    (CompressionMode.FILE, StoragePlugin.SQLITE3),
    (CompressionMode.MESSAGE, StoragePlugin.SQLITE3),
]


@pytest.mark.parametrize(("mode", "storage"), COMPRESSED)
def test_files_and_messages_that_are_compressed_are_read(tmp_path, temporary, mode, storage):
    path = bag_compressed_by(mode, storage, tmp_path / "bag")
    expected = list(encode_vectors(WRENCH, np.arange(3) + 5, np.ones((3, 6)), "ft"))
    with open_bag(path) as bag:
        assert [message.data for message in bag.messages()] == expected


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_compressed_file_that_would_fill_the_disk(tmp_path, temporary, monkeypatch, storage):
    monkeypatch.setattr(bounded_chunks, "MIN_FILE_BYTES", 2**20)
    path = bag_compressed_by(CompressionMode.FILE, storage, tmp_path / "bag")
    (file,) = path.glob("*.zstd")
    file.write_bytes(storage_mcap.zstd.compress(bytes(2**26)))
    with pytest.raises(M2R2Error, match=r"\.zstd: it unpacks to more than 10\d{5} b"):
        open_bag(path).__enter__()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_compressed_file_that_is_cut_off(tmp_path, temporary, share):
    path = bag_compressed_by(CompressionMode.FILE, StoragePlugin.SQLITE3, tmp_path / "bag")
    (file,) = path.glob("*.zstd")
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(M2R2Error, match=r"\.db3\.zstd: cannot .+: ") as caught:
        open_bag(path).__enter__()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["bomb", "cut off", "no zstd"])
def test_compressed_messages_that_are_none(tmp_path, monkeypatch, change):
    monkeypatch.setattr(bounded_chunks, "MAX_CHUNK_BYTES", 2**20)
    path = bag_compressed_by(CompressionMode.MESSAGE, StoragePlugin.SQLITE3, tmp_path / "bag")
    whole = storage_mcap.zstd.compress(bytes(2**26))
    data, reason = {
        "bomb": (whole, f"a message is larger than {2**20} bytes"),
        "cut off": (storage_mcap.zstd.compress(bytes(99))[:-3], "a compressed message is cut off"),
        "no zstd": (b"hello", "cannot read this bag"),
    }[change]
    with sqlite3.connect(path / "bag.db3") as database:
        database.execute("UPDATE messages SET data = ?", (data,))
    with open_bag(path) as bag, pytest.raises(M2R2Error, match=reason):
        list(bag.messages())


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = "hello wörld"
        file["empty"] = ""
        file["long"] = "x" * 5000
    return path


def test_texts_of_variable_length_are_read(texts):
    with open_hdf5(texts) as file:
        assert read_text(file, "a") == "hello wörld"
        assert read_text(file, "empty") == ""
        assert read_text(file, "long") == "x" * 1000


@pytest.mark.parametrize("place", [0, 4, 12])
@pytest.mark.parametrize("value", [0xFFFFFFFF, 0x7FFFFFFF, 3])
def test_damaged_references_to_texts(texts, place, value):
    with h5py.File(texts) as file:
        offset = file["a"].id.get_offset()
    content = bytearray(texts.read_bytes())
    content[offset + place : offset + place + 4] = struct.pack("<I", value)
    texts.write_bytes(content)
    with open_hdf5(texts) as file:
        try:
            assert len(read_text(file, "a")) <= 1000
        except Hdf5Error as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("value", ["text", 7, 0.5])
def test_rows_of_another_type(tmp_path, value):
    message = next(encode_vectors(WRENCH, np.array([5]), np.ones((1, 6)), "ft"))
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connection = writer.add_connection("/wrist/wrench", WRENCH, typestore=typestore())
        writer.write(connection, 1, message)
    with sqlite3.connect(tmp_path / "bag" / "bag.db3") as database:
        database.execute("UPDATE messages SET data = ?", (value,))
    with (
        open_bag(tmp_path / "bag") as bag,
        pytest.raises(M2R2Error, match="a message on /wrist/wrench is no serialised message"),
    ):
        list(bag.messages())


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    write_recording(path, recording(0.2))

    class Full(bag_writer.Writer):
        def write(self, *arguments):
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(bag_writer, "Writer", Full)
    with open_recording(path) as opened, pytest.raises(M2R2Error, match="disk is full"):
        bag_writer.write_bag(bag_content(opened), tmp_path / "bag", "sqlite3")
    assert not (tmp_path / "bag").exists()
