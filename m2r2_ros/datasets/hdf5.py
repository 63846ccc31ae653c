# SPDX-License-Identifier: Apache-2.0
"""Read what a foreign HDF5 file holds, within limits and without following it elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from m2r2_ros.datasets.damage import HDF5, file_kind, what_it_is
from m2r2_ros.errors import M2R2Error, nearest_path

# What a file may make us allocate: an hour of seven columns at 1 kHz, and one 1 GiB payload.
MAX_VALUES = 30_000_000
MAX_PAYLOAD_BYTES = 2**30
MAX_MEMBERS = 10_000
MAX_TEXT_BYTES = 1000
_MAX_HEAP_BYTES = 2**24
_MAX_FILE_BYTES = 2**62

# What h5py raises on damaged content.
HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)


class Hdf5Error(M2R2Error):
    """A file or dataset that cannot be read, or is larger than the limits."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading. Raises Hdf5Error, in one line, when that fails."""
    if not path.is_file():
        raise Hdf5Error(f"{path}: no such file{nearest_path(path)}")
    try:
        file = h5py.File(path, "r")
    except HDF5_ERRORS as error:
        raise Hdf5Error(f"{path}: {_reason(path)}") from error
    with file:
        yield file


def member_names(group: h5py.Group) -> list[str]:
    """Names in a group, in the file's order. Raises Hdf5Error on too many or damage."""
    with one_line(group.name):
        if len(group) > MAX_MEMBERS:
            raise Hdf5Error(f"'{group.name}' has {len(group)} members; the limit is {MAX_MEMBERS}")
        return list(group)


def subgroup(group: h5py.Group, name: str) -> h5py.Group | None:
    """Group `name`, or None when there is none."""
    member = _member(group, name)
    return member if isinstance(member, h5py.Group) else None


def read_numbers(group: h5py.Group, name: str) -> np.ndarray:
    """Read a numeric dataset as float64. Raises Hdf5Error."""
    dataset = find_dataset(group, name)
    with one_line(name):
        if dataset.dtype.kind not in "fiub":
            raise Hdf5Error(f"'{name}' holds {dataset.dtype}, not numbers")
        if dataset.size > MAX_VALUES:
            raise Hdf5Error(f"'{name}' has {dataset.size} values; the limit is {MAX_VALUES}")
        return np.asarray(dataset[()], dtype=np.float64)


def read_number(group: h5py.Group, name: str) -> float:
    """Read one number, stored as a scalar or as an array of one. Raises Hdf5Error."""
    values = read_numbers(group, name)
    if values.size != 1:
        raise Hdf5Error(f"'{name}' holds {values.size} values, expected one")
    return float(values.reshape(-1)[0])


def read_payload(group: h5py.Group, name: str) -> bytes:
    """Read a file stored as one opaque value (or as an array of bytes). Raises Hdf5Error."""
    dataset = find_dataset(group, name)
    with one_line(name):
        size = dataset.size * dataset.dtype.itemsize
        if dataset.dtype.kind not in "Vu" or (dataset.dtype.kind == "u" and dataset.dtype != "u1"):
            raise Hdf5Error(f"'{name}' holds {dataset.dtype}, not the bytes of a file")
        if size > MAX_PAYLOAD_BYTES:
            raise Hdf5Error(f"'{name}' has {size} bytes; the limit is {MAX_PAYLOAD_BYTES}")
        return dataset[()].tobytes()


def read_text(group: h5py.Group, name: str) -> str:
    """Read a short text, stored as bytes or as a string. Raises Hdf5Error."""
    dataset = find_dataset(group, name)
    with one_line(name):
        if dataset.size != 1 or dataset.dtype.itemsize > MAX_TEXT_BYTES:
            raise Hdf5Error(f"'{name}' is not one short text")
        string = h5py.check_string_dtype(dataset.dtype)
        if string is not None and string.length is None:
            return _variable_text(dataset).decode(errors="replace")
        if string is None and dataset.dtype.kind not in "SU":
            raise Hdf5Error(f"'{name}' holds {dataset.dtype}, not a text")
        value = np.asarray(dataset[()]).reshape(-1)[0]
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return text[:MAX_TEXT_BYTES]


def read_attribute(group: h5py.Group, name: str, attribute: str) -> str:
    """Read a short text of fixed length attached to a member; "" when there is none.

    Texts of variable length are not read: libhdf5 crashes on damaged ones. Raises Hdf5Error.
    """
    member = _member(group, name)
    with one_line(name):
        if member is None or attribute not in member.attrs:
            return ""
        stored = member.attrs.get_id(attribute)
        if stored.dtype.kind != "S" or stored.shape != () or stored.dtype.itemsize > MAX_TEXT_BYTES:
            return ""
        return bytes(member.attrs[attribute]).decode(errors="replace")


def _variable_text(dataset: h5py.Dataset) -> bytes:
    """Read one text of variable length without libhdf5, which crashes on damaged ones.

    It is a reference (length, address, index) into a heap of the file: HDF5 File Format
    Specification 3.0, III.E "Global Heap" and IV.B "Variable-length".
    """
    place, file = dataset.id.get_offset(), dataset.file
    if place is None or file.id.get_create_plist().get_sizes() != (8, 8):
        raise Hdf5Error("it is stored in a way that is not read here")
    with open(file.filename, "rb") as raw:
        # get_offset counts from the file's start, addresses in the file from behind a user block.
        length, address, index = struct.unpack("<IQI", _read_at(raw, place, 16))
        start = address + file.userblock_size
        signature, size = struct.unpack("<4s4xQ", _read_at(raw, start, 16))
        if signature != b"GCOL" or size > _MAX_HEAP_BYTES:
            raise Hdf5Error("its heap is damaged")
        heap = _read_at(raw, start, size)
    position = 16
    while position + 16 <= size:
        number, object_size = struct.unpack_from("<H6xQ", heap, position)
        position += 16
        if number == index and number:
            return heap[position : position + min(length, object_size, MAX_TEXT_BYTES)]
        if not number:
            break
        position += object_size + -object_size % 8
    if length:
        raise Hdf5Error("its heap does not hold it")
    return b""


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    if position > _MAX_FILE_BYTES:
        raise Hdf5Error("it points behind the end of the file")
    file.seek(position)
    data = file.read(count)
    if len(data) < count:
        raise Hdf5Error("it points behind the end of the file")
    return data


def find_dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """A dataset whose data lie in this file. Raises Hdf5Error."""
    member = _member(group, name)
    if not isinstance(member, h5py.Dataset):
        raise Hdf5Error(f"'{name}' is missing")
    with one_line(name):
        # Data outside the file would be read with our rights, not its author's.
        if member.external or member.is_virtual:
            raise Hdf5Error(f"'{name}' points to another file")
    return member


def _member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    with one_line(name):
        link = group.get(name, getlink=True)
        return group[name] if isinstance(link, h5py.HardLink) else None


@contextmanager
def one_line(name: str) -> Iterator[None]:
    """Turn what h5py raises on damaged content into an Hdf5Error that names the member."""
    try:
        yield
    except HDF5_ERRORS as error:
        raise Hdf5Error(f"'{name}' is damaged: {str(error).splitlines()[0]}") from error


def _reason(path: Path) -> str:
    if file_kind(path) == HDF5:
        return "truncated or damaged: copy it again"
    what = what_it_is(path)
    return f"not an HDF5 file: it {what}" if what else "not an HDF5 file"
