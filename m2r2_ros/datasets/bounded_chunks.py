# SPDX-License-Identifier: Apache-2.0
"""Chunks of an MCAP bag decompress to the size that they declare, or not at all.

rosbags decompresses first and compares afterwards: four megabytes of zstd would become terabytes.
"""

from __future__ import annotations

import importlib
from typing import Any

from rosbags.rosbag2 import storage_mcap

from m2r2_ros.errors import M2R2Error


def bound_decompression() -> None:
    """Replace rosbags' decompressors by ones that stop at the declared size."""
    storage_mcap.DECOMPRESSORS.update(zstd=_zstd, lz4=_lz4)


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
