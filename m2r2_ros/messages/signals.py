# SPDX-License-Identifier: Apache-2.0
"""Stamped proprioceptive messages, thousands a second, as arrays.

One topic's messages have the same layout almost always. It is worked out from the first; those
that share it are then read by one strided NumPy view, the others one by one. Where the numbers of
the usual types are is known here; those of others are found by field paths and the definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from m2r2_ros.errors import nearest_name
from m2r2_ros.messages.cdr import ENCAPSULATION_BYTES, NANOSECONDS, CdrReader, MessageError
from m2r2_ros.messages.field_path import RPY, FieldPath
from m2r2_ros.messages.field_walk import Run, find
from m2r2_ros.messages.reading import Reading
from m2r2_ros.signal_presets import (
    IMU,
    JOINTS,
    POSE,
    STAMPED_ARRAYS,
    STAMPED_NUMBERS,
    TWIST,
    WRENCH,
)

# Orientation, angular velocity and acceleration, each with a covariance of 9 behind it.
IMU_NUMBERS, IMU_COLUMNS = 37, (13, 14, 15, 25, 26, 27)

# Number of float64 that follow the header, and which of them are the columns: all where none.
_VECTORS: dict[str, tuple[int, tuple[int, ...]]] = {
    WRENCH: (6, ()),
    POSE: (7, ()),
    TWIST: (6, ()),
    IMU: (IMU_NUMBERS, IMU_COLUMNS),
}
_CODES = dict(zip((*STAMPED_NUMBERS, *STAMPED_ARRAYS), ("f8", "f4") * 2, strict=True))
_JOINT_FIELDS = ("position", "velocity", "effort")

Stamped = tuple[np.ndarray, np.ndarray]


def decode_batch(
    type_name: str,
    messages: Sequence[bytes],
    reading: Reading = Reading(),  # noqa: B008 (frozen)
    arrivals: Sequence[int] = (),
) -> Stamped:
    """Read serialised messages of one type: stamps int64 (n,) [ns], values float64 (n, D).

    `arrivals` [ns] are the stamps of messages that have none.
    Malformed messages are left out, so n may be less than the number given; the difference is
    for the caller to count. Raises MessageError on a type that is not read here.
    """
    width = _width(type_name, reading)
    batch = _Batch(np.zeros(len(messages), np.int64), np.zeros((len(messages), width)), arrivals)
    everything = np.arange(len(messages))
    if not batch.fill(type_name, messages, reading, everything):
        for rows in _alike(messages):
            if not batch.fill(type_name, messages, reading, rows):
                for row in rows:
                    batch.fill(type_name, messages, reading, row[None])
    return batch.stamps[batch.read], batch.values[batch.read]


def with_joints(reading: Reading, type_name: str, messages: Sequence[bytes]) -> Reading:
    """The reading of a stream from its first messages on: its columns keep their joints.

    Where nothing names the joints of a JointState they are those of the first message that can be
    read. A later one in another order, or of another publisher, does not change what a column is.
    """
    if type_name != JOINTS or reading.joints or reading.paths:
        return reading
    for message in messages:
        try:
            reader = CdrReader(message)
            reader.header()
            names, _ = _named_numbers(reader, [], reading.field)
            joint_columns(names, reading)
        except MessageError:
            continue
        return replace(reading, joints=tuple(names), is_found=True)
    return reading


def _width(type_name: str, reading: Reading) -> int:
    """Columns of a row. Raises MessageError on a type that is not read here."""
    if reading.paths_in(type_name):
        return reading.width
    if type_name in _VECTORS:
        numbers, chosen = _VECTORS[type_name]
        return len(chosen) or numbers
    if type_name == JOINTS:
        return 1 if reading.is_sum else reading.width
    if of_any_package(type_name) not in _CODES:
        raise MessageError(f"cannot read {type_name}{nearest_name(type_name, [*_VECTORS, JOINTS])}")
    return reading.width if of_any_package(type_name) in STAMPED_ARRAYS else 1


def check_message(type_name: str, message: bytes, reading: Reading) -> None:
    """Raise a MessageError that says why `decode_batch` leaves this message out, if it does."""
    layout = _layout(type_name, message, reading)
    layout.read(np.frombuffer(bytes(message), np.uint8)[None], reading)


def why_unreadable(type_name: str, message: bytes, reading: Reading) -> str:
    """Why `decode_batch` leaves this message out, "" when it does not."""
    try:
        check_message(type_name, message, reading)
    except MessageError as error:
        return str(error)
    return ""


class _Batch:
    """The answer of `decode_batch`, filled in parts; `read` marks the messages that are in it."""

    def __init__(self, stamps: np.ndarray, values: np.ndarray, arrivals: Sequence[int]) -> None:
        self.stamps, self.values = stamps, values
        self.read = np.zeros(len(stamps), bool)
        self._arrivals = arrivals

    def fill(
        self, type_name: str, messages: Sequence[bytes], reading: Reading, rows: np.ndarray
    ) -> bool:
        """Read the messages `rows` if all of them have the layout of the first."""
        chosen = messages if len(rows) == len(messages) else [messages[row] for row in rows]
        if len(set(map(len, chosen))) != 1:
            return False
        try:
            layout = _layout(type_name, chosen[0], reading)
            block = np.frombuffer(b"".join(chosen), np.uint8).reshape(len(chosen), -1)
            if not layout.fits(block):
                return False
            self.stamps[rows], self.values[rows], self.read[rows] = layout.read(block, reading)
        except MessageError:
            return False
        if layout.stamp is None:
            self.stamps[rows] = np.array(self._arrivals, np.int64)[rows]
        return True


def _alike(messages: Sequence[bytes]) -> list[np.ndarray]:
    """Indices of messages that share length, byte order and length of frame_id."""
    groups: dict[tuple[int, bytes, bytes], list[int]] = {}
    for index, message in enumerate(messages):
        key = (len(message), bytes(message[:2]), bytes(message[12:16]))
        groups.setdefault(key, []).append(index)
    return [np.array(rows) for rows in groups.values()]


@dataclass(frozen=True)
class _Layout:
    """Where one message keeps its values.

    structure  bytes [start, stop) that another message must share to have this layout.
    runs       the numbers, in order.
    columns    those of them that are meant, all if none is named; with `is_sum` added up.
    turned     columns at which roll, pitch and yaw stand.
    stamp      byte of the stamp, None without one.
    """

    byte_order: str
    structure: tuple[tuple[int, int, bytes], ...]
    runs: tuple[Run, ...]
    columns: tuple[int, ...] = ()
    is_sum: bool = False
    turned: tuple[int, ...] = ()
    stamp: int | None = ENCAPSULATION_BYTES

    def fits(self, block: np.ndarray) -> bool:
        """Whether all messages, rows of uint8 (n, length), have this layout."""
        return all(
            (block[:, start:stop] == np.frombuffer(expected, np.uint8)).all()
            for start, stop, expected in self.structure
        )

    def read(
        self, block: np.ndarray, reading: Reading
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stamps (n,), values (n, D) and the mask (n,) of those whose stamp is well formed.

        Raises MessageError when the numbers do not make the columns of the reading.
        """
        rows = block.view(self._fields(block.shape[1]))[:, 0]
        parts = [rows[f"run{index}"].astype(np.float64) for index in range(len(self.runs))]
        numbers = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if self.columns:
            numbers = numbers[:, list(self.columns)]
        values = reading.values(numbers, self.is_sum, self.turned)
        if self.stamp is None:
            return np.zeros(len(block), np.int64), values, np.ones(len(block), bool)
        nanoseconds = rows["nanosec"].astype(np.int64)
        stamps = rows["sec"].astype(np.int64) * NANOSECONDS + nanoseconds
        return stamps, values, nanoseconds < NANOSECONDS

    def _fields(self, length: int) -> np.dtype:
        order = self.byte_order
        names = [f"run{index}" for index in range(len(self.runs))]
        formats: list[Any] = [(order + run.code, (run.count,)) for run in self.runs]
        offsets = [run.offset for run in self.runs]
        if self.stamp is not None:
            names += ["sec", "nanosec"]
            formats += [order + "i4", order + "u4"]
            offsets += [self.stamp, self.stamp + 4]
        return np.dtype(
            {"names": names, "formats": formats, "offsets": offsets, "itemsize": length}
        )


def _layout(type_name: str, message: bytes, reading: Reading) -> _Layout:
    reader = CdrReader(message)
    if paths := reading.paths_in(type_name):
        return _layout_by_paths(type_name, reader, paths, reading)
    reader.header()
    # Encapsulation and the length of frame_id fix everything up to the end of the header.
    structure = [(0, 2, bytes(message[:2])), (12, 16, bytes(message[12:16]))]
    if type_name == JOINTS:
        return _joint_layout(reader, structure, reading)
    if of_any_package(type_name) in STAMPED_ARRAYS:
        return _array_layout(reader, structure, _CODES[of_any_package(type_name)], reading.width)
    code = _CODES.get(of_any_package(type_name), "f8")
    width, chosen = _VECTORS.get(type_name, (1, ()))
    size = np.dtype(code).itemsize
    reader.align(size)
    if reader.position + width * size > len(message):
        raise MessageError(f"{len(message)} bytes, too short for {type_name}")
    runs = (Run(reader.position, code, width),)
    return _Layout(reader.byte_order, tuple(structure), runs, chosen)


def _layout_by_paths(
    type_name: str, reader: CdrReader, paths: Sequence[FieldPath], reading: Reading
) -> _Layout:
    found = find(type_name, paths, reading.definitions, reader.message)
    turned, columns = [], 0
    for path, runs in zip(paths, found.runs, strict=True):
        count = sum(run.count for run in runs)
        if path.is_rpy:
            turned.append(columns)
            if count != RPY:
                raise MessageError(f"'{path}': {count} numbers, not roll, pitch and yaw")
        columns += count
    width = columns + len(turned)
    if not width or not (reading.is_sum or width == reading.width):
        raise MessageError(f"{width} numbers, the layout has {reading.width} columns")
    return _Layout(
        reader.byte_order,
        tuple(found.structure),
        tuple(run for each in found.runs for run in each),
        is_sum=reading.is_sum,
        turned=tuple(turned),
        stamp=found.stamp,
    )


def _array_layout(reader: CdrReader, structure: list, code: str, width: int) -> _Layout:
    numbers = _array(reader, structure, reader.position, code)
    if len(numbers) != width:
        raise MessageError(f"{len(numbers)} numbers, the layout has {width} columns")
    start = reader.position - numbers.nbytes
    return _Layout(reader.byte_order, tuple(structure), (Run(start, code, width),))


def _joint_layout(reader: CdrReader, structure: list, reading: Reading) -> _Layout:
    names, values = _named_numbers(reader, structure, reading.field)
    columns = joint_columns(names, reading)
    runs = (Run(reader.position - values.nbytes, "f8", len(names)),)
    return _Layout(reader.byte_order, tuple(structure), runs, columns, reading.is_sum)


def _named_numbers(reader: CdrReader, structure: list, field: str) -> tuple[list[str], np.ndarray]:
    """The joints of a JointState, from behind its header on, and the numbers of one field."""
    reader.align(4)
    start = reader.position
    count = reader.number("I")
    # Each name takes at least its length field: a huge count ends at the end of the message.
    names = [reader.text() for _ in range(count)]
    for _ in _JOINT_FIELDS[: _JOINT_FIELDS.index(field) + 1]:
        values = _array(reader, structure, start, "f8")
        start = reader.position
    if len(values) != len(names) or not names:
        raise MessageError(f"{len(names)} joint names, but '{field}' has {len(values)} numbers")
    return names, values


def _array(reader: CdrReader, structure: list, start: int, code: str) -> np.ndarray:
    """A sequence of numbers; what stands from `start` to its first number is structure."""
    numbers = reader.array(code)
    stop = reader.position - numbers.nbytes
    structure.append((start, stop, bytes(reader.message[start:stop])))
    return numbers


def joint_columns(names: Sequence[str], reading: Reading) -> tuple[int, ...]:
    """Where the reading's joints are among `names`; everywhere when it asks for none.

    Raises MessageError when one is missing, or all are more or fewer than the columns.
    """
    for joint in reading.joints:
        if joint not in names:
            raise MessageError(_missing_joint(joint, names, reading))
        if names.count(joint) > 1:
            raise MessageError(f"joint '{joint}' is there {names.count(joint)} times")
    if not (reading.is_sum or reading.joints or len(names) == reading.width):
        raise MessageError(
            f"{len(names)} joints, the layout has {reading.width} columns: name them in `columns`"
        )
    return tuple(map(names.index, reading.joints)) or tuple(range(len(names)))


def _missing_joint(joint: str, names: Sequence[str], reading: Reading) -> str:
    if not reading.is_found:
        return f"no joint '{joint}'{nearest_name(joint, names)}"
    remedy = "`gripper_joints`" if reading.is_sum else "`columns` of the layout"
    return f"no joint '{joint}', as in the first message: name the joints in {remedy}"


def of_any_package(type_name: str) -> str:
    """The type's name with its package left open: `*/msg/Float64Stamped`."""
    return f"*/msg/{type_name.split('/')[-1]}"
