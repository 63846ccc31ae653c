# SPDX-License-Identifier: Apache-2.0
"""Small files that would become huge, texts that crash libhdf5, disks that are full."""

from __future__ import annotations

import sqlite3
import struct

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

from m2r2_ros.datasets import bag_writer
from m2r2_ros.datasets.bag_reader import open_bag
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
def test_a_chunk_that_is_larger_than_it_says(tmp_path, monkeypatch, codec):
    import lz4.frame

    bomb = {
        "zstd": lambda: storage_mcap.zstd.compress(bytes(2**28)),
        "lz4": lambda: lz4.frame.compress(bytes(2**28)),
    }[codec]()
    assert len(bomb) < 2**21
    from m2r2_ros.datasets.bounded_chunks import bound_decompression

    bound_decompression()
    with pytest.raises(M2R2Error, match="larger than the 1000 bytes that it declares"):
        storage_mcap.decompress(bomb, codec, 1000, 0)
    honest = {"zstd": storage_mcap.zstd.compress, "lz4": lz4.frame.compress}[codec](b"a" * 1000)
    assert storage_mcap.decompress(honest, codec, 1000, 0) == b"a" * 1000


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
        bag_writer.write_bag(opened, tmp_path / "bag", "sqlite3")
    assert not (tmp_path / "bag").exists()
