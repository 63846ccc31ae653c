# SPDX-License-Identifier: Apache-2.0
"""Compressed bags decompress within limits, or not at all.

rosbags decompresses first and compares afterwards, if at all: four megabytes of zstd would become
terabytes, of memory or of the disk. A chunk of an MCAP file may have the size that it declares; a
message (compression mode "message") and a whole file (mode "file") declare none.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, BinaryIO

from rosbags.rosbag2 import reader, storage_mcap

from m2r2_ros.errors import M2R2Error

# What one compressed chunk or message of a bag may make us allocate.
MAX_CHUNK_BYTES = 2**29
# What a compressed file may take of the disk that holds temporary files: so many times its own
# size, and so much if it is small. Pictures of a scene that stands still shrink to a hundredth.
MAX_FILE_RATIO = 200
MIN_FILE_BYTES = 2**30

_zstd_module = reader.zstd


def bound_decompression() -> None:
    """Replace rosbags' decompressors by ones that stop at these limits."""
    storage_mcap.DECOMPRESSORS.update(zstd=_zstd, lz4=_lz4)
    reader.zstd = SimpleNamespace(decompress=_message, open=_open_file)


def _message(data: bytes) -> bytes:
    decompressor = _zstd_module.ZstdDecompressor()
    raw = decompressor.decompress(data, max_length=MAX_CHUNK_BYTES + 1)
    if len(raw) > MAX_CHUNK_BYTES:
        raise M2R2Error(f"a message is larger than {MAX_CHUNK_BYTES} bytes")
    if not decompressor.eof:
        raise M2R2Error("a compressed message is cut off")
    return raw


@contextmanager
def _open_file(file: BinaryIO, mode: str) -> Iterator[_BoundedFile]:
    limit = max(MIN_FILE_BYTES, MAX_FILE_RATIO * os.fstat(file.fileno()).st_size)
    with _zstd_module.open(file, mode) as unpacked:
        yield _BoundedFile(unpacked, limit)


class _BoundedFile:
    """As much of a file as `shutil.copyfileobj` reads."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._limit = self._left = limit

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise M2R2Error(
                f"a compressed file of it is larger than {self._limit} bytes; decompress the bag "
                "yourself if you trust it"
            )
        return data


def _zstd(data: bytes, size: int) -> bytes:
    return _bounded(storage_mcap.zstd.ZstdDecompressor(), data, size)


def _lz4(data: bytes, size: int) -> bytes:
    # It comes with rosbags.
    return _bounded(importlib.import_module("lz4.frame").LZ4FrameDecompressor(), data, size)


def _bounded(decompressor: Any, data: bytes, size: int) -> bytes:
    """One frame of `data`. One byte more than declared is enough to know."""
    raw = decompressor.decompress(data, max_length=size + 1)
    if len(raw) > size:
        raise M2R2Error(f"a chunk is larger than the {size} bytes that it declares")
    return raw
