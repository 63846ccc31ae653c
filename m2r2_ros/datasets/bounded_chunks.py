# SPDX-License-Identifier: Apache-2.0
"""Compressed bags decompress within limits, or not at all.

Four megabytes of zstd may become terabytes, of memory or of the disk. A chunk of an MCAP file may
have the size that it declares; a message (compression mode "message") and a whole file (mode
"file") declare none.
"""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any, BinaryIO

# It comes with rosbags: Python's own from 3.14 on, its backport before.
from rosbags.rosbag2.storage_mcap import zstd

from m2r2_ros.errors import M2R2Error

# What one compressed chunk or message of a bag may make us allocate.
MAX_CHUNK_BYTES = 2**29
# What a compressed file may take of the disk that holds temporary files: so many times its own
# size, and so much if it is small. Pictures of a scene that stands still shrink to a hundredth.
MAX_FILE_RATIO = 200
MIN_FILE_BYTES = 2**30

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class BrokenChunkError(Exception):
    """A chunk that cannot be decompressed, or has another size than it declares."""


def unpack_message(data: bytes) -> bytes:
    """Decompress one message. Raises M2R2Error."""
    try:
        decompressor = zstd.ZstdDecompressor()
        raw = decompressor.decompress(data, max_length=MAX_CHUNK_BYTES + 1)
    except (zstd.ZstdError, ValueError, EOFError) as error:
        raise M2R2Error(f"a compressed message is damaged: {error}") from error
    if len(raw) > MAX_CHUNK_BYTES:
        raise M2R2Error(f"a message is larger than {MAX_CHUNK_BYTES} bytes")
    if not decompressor.eof:
        raise M2R2Error("a compressed message is cut off")
    return raw


def unpack_chunk(data: bytes, compression: str, size: int) -> bytes:
    """Decompress a chunk of `size` bytes, or as much of it as `data` holds.

    Raises BrokenChunkError, M2R2Error on sizes beyond the limit.
    """
    if max(size, len(data)) > MAX_CHUNK_BYTES:
        raise M2R2Error(f"a chunk is larger than {MAX_CHUNK_BYTES} bytes")
    if not compression:
        return data[:size]
    try:
        # One byte more than declared is enough to know.
        raw = _decompressor(compression).decompress(data, max_length=size + 1)
    except M2R2Error:
        raise
    except Exception as error:  # each codec has errors of its own
        raise BrokenChunkError(" ".join(str(error).split())) from error
    if len(raw) > size:
        raise BrokenChunkError(f"it is larger than the {size} bytes that it declares")
    return raw


def unpack_file(path: Path, target: Path) -> None:
    """Decompress a whole file. Raises M2R2Error, above all when it would fill the disk."""
    limit = max(MIN_FILE_BYTES, MAX_FILE_RATIO * path.stat().st_size)
    try:
        with zstd.open(path, "rb") as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(_BoundedFile(packed, limit), unpacked)
    except (zstd.ZstdError, EOFError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise M2R2Error(f"{path}: cannot be decompressed ({reason}): copy it again") from error
    except OSError as error:
        raise M2R2Error(f"{path}: cannot be decompressed to {target.parent}: {error}") from error
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error


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
                f"it unpacks to more than {self._limit} bytes: `unzstd` it yourself if you trust it"
            )
        return data


def _decompressor(compression: str) -> Any:
    if compression == "zstd":
        return zstd.ZstdDecompressor()
    if compression == "lz4":
        # It comes with rosbags.
        return importlib.import_module("lz4.frame").LZ4FrameDecompressor()
    raise BrokenChunkError(f"its compression '{compression}' is not known")
