# SPDX-License-Identifier: Apache-2.0
"""Arrays of an .npz file, of which every size is checked before anything is unpacked.

A zip file of a few kilobytes can stand for gigabytes, and so can the header of an array.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.digest_list import check_digest

# What zipfile and numpy raise of a damaged .npz file.
NPZ_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, OverflowError),
    # numpy reads the header of an array as Python's own words.
    tokenize.TokenError,
)


def read_arrays(path: Path, kinds: Mapping[str, str], most_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of `path` that `kinds` names, each with its kind of values (numpy's letter).

    Raises M2R2Error when the file cannot be read, has more than `most_bytes`, packed or unpacked,
    or is not the one that a `models.sha256` lists.
    """
    if not path.is_file():
        raise M2R2Error(f"{path}: cannot be read: not a file")
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise ValueError(f"it may have {most_bytes} bytes")
        check_digest(path, hashlib.sha256(data).hexdigest(), must_be_listed=False)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {n: _read(archive, n, kind, most_bytes) for n, kind in kinds.items()}
    except NPZ_DAMAGE as error:
        raise M2R2Error(f"{path}: cannot be read: {error}") from error


def _read(archive: zipfile.ZipFile, name: str, kind: str, most_bytes: int) -> np.ndarray:
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > most_bytes:
        raise ValueError(f"'{name}' has {entry.file_size} bytes unpacked, it may have {most_bytes}")
    with archive.open(entry) as file:
        version = npy.read_magic(file)
        headers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in headers:
            raise ValueError(f"'{name}' is of another version of numpy's format")
        shape, is_fortran, dtype = headers[version](file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind != kind or not dtype.isnative or min(shape, default=0) < 0:
            raise ValueError(f"'{name}' holds {dtype} {shape}")
        # Never more than what the entry says it has, which is bounded.
        if size != entry.file_size - file.tell():
            raise ValueError(f"'{name}' has {entry.file_size} bytes, which do not fit {shape}")
        values = np.frombuffer(file.read(size), dtype)
        # To the end: only then is the checksum compared.
        file.read(1)
    if kind == "U" and values.size and values.view(np.uint32).max() > sys.maxunicode:
        raise ValueError(f"'{name}' holds what is no character")
    return values.reshape(shape, order="F" if is_fortran else "C")
