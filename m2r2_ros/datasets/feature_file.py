# SPDX-License-Identifier: Apache-2.0
"""A .npy file with a column a frame, D x T, as rows: read at once, or whenever they are wanted."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.damage import what_it_is
from m2r2_ros.errors import M2R2Error

# What a file may make us allocate: 1 GiB of float32.
MAX_FEATURE_VALUES = 2**28


class StoredFeatures:
    """Stands for an array float32 (T, D) without holding it: `np.asarray` reads the rows.

    Slices of rows are not read either. Raises M2R2Error as `read_columns` does.
    """

    def __init__(self, path: Path, frames: int, dimension: int) -> None:
        self._path, self._rows, self._dimension = path, range(frames), dimension

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._rows), self._dimension

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice) -> StoredFeatures:
        part = StoredFeatures(self._path, 0, self._dimension)
        part._rows = self._rows[rows]
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        wanted = self._rows
        rows = read_columns(self._path, slice(wanted.start, wanted.stop, wanted.step))
        if rows.shape != self.shape:
            raise M2R2Error(f"{self._path}: has changed since it was first read")
        return rows if dtype is None else rows.astype(dtype, copy=False)


def read_columns(path: Path, rows: slice = slice(None)) -> np.ndarray:
    """These columns of a file (D, T) as rows, float32, all finite.

    Raises M2R2Error that names the file.
    """
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise M2R2Error(f"{path}: no such file") from error
    except (OSError, ValueError, EOFError, SyntaxError, MemoryError, TokenError) as error:
        what = what_it_is(path)
        reason = f": it {what}" if what else ""
        raise M2R2Error(f"{path}: not a .npy file of numbers, or truncated{reason}") from error
    if stored.ndim != 2 or stored.dtype.kind != "f" or stored.size == 0:
        raise M2R2Error(f"{path}: holds {stored.dtype} {stored.shape}, expected float32 (D, T)")
    if stored.size > MAX_FEATURE_VALUES:
        raise M2R2Error(f"{path}: more than {MAX_FEATURE_VALUES} values")
    # A copy, also of a file in Fortran's order: the file itself cannot be written to.
    features = np.array(stored[:, rows].T, dtype=np.float32, order="C")
    if not np.isfinite(features).all():
        raise M2R2Error(f"{path}: holds NaN or infinite values")
    return features


def write_columns(path: Path, rows: np.ndarray) -> None:
    """Write rows (T, D) as a file of columns, float32, that appears when it is complete."""
    with partial_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.ascontiguousarray(rows.T, dtype=np.float32), allow_pickle=False)
