# SPDX-License-Identifier: Apache-2.0
"""Files of arrays, whatever their format: one module a format, found by the file's ending."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np

from m2r2_ros.errors import M2R2Error, nearest_name, nearest_path

# The ending of a file's name -> its reader: `open_READER` in the module of this name.
_READERS = {".npz": "npz_arrays", ".h5": "hdf5_arrays", ".hdf5": "hdf5_arrays"}
ARRAY_SUFFIXES = tuple(_READERS)
# What a folder holds that is a data set of LeRobot.
_LEROBOT = ("lerobot_arrays", Path("meta", "info.json"))

# What a file may make us allocate: an hour of seven columns at 1 kHz, and what is read of pictures
# at once: one of 4096 x 4096.
MAX_VALUES = 30_000_000
MAX_ROW_BYTES = 4096 * 4096 * 3
BLOCK_BYTES = 16 << 20


class ArrayFile(Protocol):
    """A file of arrays; names may have slashes."""

    def names(self) -> list[str]:
        """Of all arrays that hold numbers or texts."""
        ...

    def groups(self, pattern: str) -> list[str]:
        """Groups whose path fits a pattern such as `data/*`, 2 before 10."""
        ...

    def form(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and type of an array. Raises M2R2Error that names it, also when it is missing."""
        ...

    def read(self, name: str) -> np.ndarray:
        """A whole array of at most MAX_VALUES. Raises M2R2Error that names it."""
        ...

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        """The rows of an array in blocks of about BLOCK_BYTES. Raises M2R2Error that names it."""
        ...


def is_array_folder(path: Path) -> bool:
    """Whether a folder is one "file" of arrays: a LeRobotDataset."""
    return (path / _LEROBOT[1]).is_file()


def open_arrays(path: Path) -> AbstractContextManager[ArrayFile]:
    """Open a file of arrays. Raises M2R2Error that names it."""
    reader = _LEROBOT[0] if is_array_folder(path) else _READERS.get(path.suffix)
    if not path.exists():
        raise M2R2Error(f"{path}: no such file or folder{nearest_path(path)}")
    if reader is None:
        raise M2R2Error(f"{path}: a mapping is for arrays: {', '.join(ARRAY_SUFFIXES)}")
    module = importlib.import_module(f"m2r2_ros.datasets.{reader}")
    return getattr(module, f"open_{reader}")(path)


def missing(name: str, names: list[str]) -> M2R2Error:
    """The error of an array that is not there."""
    near = nearest_name(name, names)
    return M2R2Error(
        f"'{name}' is missing{near}: where recordings lack it, take its line out of the mapping"
    )


def check_size(name: str, shape: tuple[int, ...]) -> None:
    """Raise M2R2Error when an array is too large to be read at once."""
    if math.prod(shape) > MAX_VALUES:
        raise M2R2Error(f"'{name}' has {math.prod(shape)} values; the limit is {MAX_VALUES}")


def rows_at_once(name: str, shape: tuple[int, ...], dtype: np.dtype) -> int:
    """How many rows make a block. Raises M2R2Error when a row is larger than any picture."""
    if not shape:
        raise M2R2Error(f"'{name}' is one number, not an array of rows")
    size = math.prod(shape[1:]) * dtype.itemsize
    if not 0 < size <= MAX_ROW_BYTES:
        raise M2R2Error(f"a row of '{name}' has {size} bytes; the limit is {MAX_ROW_BYTES}")
    return max(1, BLOCK_BYTES // size)
