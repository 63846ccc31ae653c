# SPDX-License-Identifier: Apache-2.0
"""Arrays of a NumPy .npz file, read as they are needed; nothing in it is unpickled.

An array is a member NAME.npy (numpy.lib.format); its header states a shape, which is believed only
as far as the member is as long.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from m2r2_ros.datasets.array_file import check_size, missing, rows_at_once
from m2r2_ros.datasets.damage import ZIP, file_kind, what_it_is
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.array_table import NPZ_DAMAGE

_ENDING = ".npy"
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@contextmanager
def open_npz_arrays(path: Path) -> Iterator[NpzArrays]:
    """Open a .npz file. Raises M2R2Error that names it."""
    if not path.is_file():
        raise M2R2Error(f"{path}: no such file")
    try:
        archive = zipfile.ZipFile(path)
    except NPZ_DAMAGE as error:
        what = "" if file_kind(path) == ZIP else what_it_is(path)
        reason = f"it {what}" if what else "truncated or damaged: copy it again"
        raise M2R2Error(f"{path}: not a .npz file: {reason}") from error
    with archive:
        yield NpzArrays(archive)


class NpzArrays:
    """See `ArrayFile`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def names(self) -> list[str]:
        found = [name for name in self._archive.namelist() if name.endswith(_ENDING)]
        return [name.removesuffix(_ENDING) for name in found]

    def groups(self, pattern: str) -> list[str]:
        raise M2R2Error("a .npz file has no groups: it is one recording, leave out `recordings`")

    def form(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        with self._member(name) as (_, shape, dtype, _):
            return shape, dtype

    def read(self, name: str) -> np.ndarray:
        with self._member(name) as (file, shape, dtype, order):
            check_size(name, shape)
            size = math.prod(shape) * dtype.itemsize
            return np.frombuffer(_exactly(file, size), dtype).reshape(shape, order=order)

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        with self._member(name) as (file, shape, dtype, order):
            step = rows_at_once(name, shape, dtype)
            if order == "F":
                raise M2R2Error(f"'{name}' is stored column by column: np.ascontiguousarray it")
            for start in range(0, shape[0], step):
                block = (min(step, shape[0] - start), *shape[1:])
                data = _exactly(file, math.prod(block) * dtype.itemsize)
                yield np.frombuffer(data, dtype).reshape(block)

    @contextmanager
    def _member(self, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype, str]]:
        """File behind its header, shape, type, order."""
        try:
            if name not in self.names():
                raise missing(name, self.names())
            info = self._archive.getinfo(name + _ENDING)
            with self._archive.open(info) as file:
                version = npy.read_magic(file)
                if version not in _HEADERS:
                    raise M2R2Error(f"'{name}' has the unknown format {version}")
                shape, by_column, dtype = _HEADERS[version](file)
                if dtype.hasobject:
                    raise M2R2Error(
                        f"'{name}' holds Python objects, which can run code when they are read: "
                        "save it as numbers or as texts of fixed length"
                    )
                if info.file_size - file.tell() != math.prod(shape) * dtype.itemsize:
                    raise M2R2Error(f"'{name}' states the shape {shape}, its length is another")
                yield file, shape, dtype, "F" if by_column else "C"
        except NPZ_DAMAGE as error:
            raise M2R2Error(f"'{name}' is damaged: {' '.join(str(error).split())}") from error


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError("it breaks off")
    return data
