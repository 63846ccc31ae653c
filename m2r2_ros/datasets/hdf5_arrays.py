# SPDX-License-Identifier: Apache-2.0
"""Arrays of an HDF5 file whose layout a mapping names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import h5py
import numpy as np

from m2r2_ros.datasets.array_file import check_size, missing, rows_at_once
from m2r2_ros.datasets.hdf5 import find_dataset, member_names, one_line, open_hdf5, subgroup
from m2r2_ros.errors import M2R2Error

_MAX_DEPTH = 16
_MAX_ARRAYS = 10_000


@contextmanager
def open_hdf5_arrays(path: Path) -> Iterator[Hdf5Arrays]:
    """Open an .h5 or .hdf5 file. Raises M2R2Error that names it."""
    with open_hdf5(path) as file:
        yield Hdf5Arrays(file)


class Hdf5Arrays:
    """See `ArrayFile`. Links to other files are not followed."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def names(self) -> list[str]:
        return [name for name, is_group in self._members() if not is_group]

    def groups(self, pattern: str) -> list[str]:
        parts = pattern.strip("/").split("/")
        found = [name for name, is_group in self._members(len(parts)) if is_group]
        return sorted((name for name in found if _fits(name.split("/"), parts)), key=_natural)

    def form(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        found = self._dataset(name)
        return found.shape, found.dtype

    def read(self, name: str) -> np.ndarray:
        found = self._dataset(name)
        check_size(name, found.shape)
        with one_line(name):
            return found[()]

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        found = self._dataset(name)
        step = rows_at_once(name, found.shape, found.dtype)
        for start in range(0, found.shape[0], step):
            with one_line(name):
                block = found[start : start + step]
            yield block

    def _dataset(self, name: str) -> h5py.Dataset:
        """Raises M2R2Error also on what libhdf5 may crash on when it is damaged."""
        group, *path = self._file, *name.strip("/").split("/")
        for part in path[:-1]:
            if (group := subgroup(group, part)) is None:
                raise missing(name, self.names())
        if path[-1] not in member_names(group):
            raise missing(name, self.names())
        found = find_dataset(group, path[-1])
        if found.shape is None or found.dtype.kind not in "biufSV" or found.dtype.hasobject:
            raise M2R2Error(
                f"'{name}' holds rows of variable length or no numbers: store numbers, texts of "
                "fixed length, or bytes filled up with zeros"
            )
        return found

    def _members(self, depth: int = _MAX_DEPTH) -> list[tuple[str, bool]]:
        """(path, whether it is a group) of everything down to a depth."""
        found: list[tuple[str, bool]] = []
        waiting: list[tuple[h5py.Group, str, int]] = [(self._file, "", 1)]
        while waiting:
            group, prefix, level = waiting.pop()
            for name in member_names(group):
                inner = subgroup(group, name)
                found.append((prefix + name, inner is not None))
                if len(found) > _MAX_ARRAYS:
                    raise M2R2Error(f"more than {_MAX_ARRAYS} groups and arrays")
                if inner is not None and level < depth:
                    waiting.append((inner, f"{prefix}{name}/", level + 1))
        return sorted(found)


def _fits(path: list[str], pattern: list[str]) -> bool:
    return len(path) == len(pattern) and all(map(fnmatchcase, path, pattern))


def _natural(name: str) -> list[tuple[int, str]]:
    """`demo_2` before `demo_10`."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
