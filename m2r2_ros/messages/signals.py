# SPDX-License-Identifier: Apache-2.0
"""Stamped proprioceptive messages, thousands a second, as arrays.

One topic's messages have the same layout almost always. It is worked out from the first; those
that share it are then read by one strided NumPy view, the others one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from m2r2_ros.errors import nearest_name
from m2r2_ros.messages.cdr import NANOSECONDS, CdrReader, MessageError
from m2r2_ros.signal_presets import JOINTS, POSE, STAMPED_NUMBERS, TWIST, WRENCH

# Number of float64 that follow the header.
_WIDTHS = {WRENCH: 6, POSE: 7, TWIST: 6}
_SCALAR_CODES = dict(zip(STAMPED_NUMBERS, ("f8", "f4"), strict=True))

Stamped = tuple[np.ndarray, np.ndarray]


def decode_batch(type_name: str, messages: Sequence[bytes], joints: Sequence[str] = ()) -> Stamped:
    """Read serialised messages of one type: stamps int64 (n,) [ns], values float64 (n, D).

    D and its units are those of `signal_presets.PRESETS`. A JointState gives one column, the sum
    of the positions of `joints` (of all, when none is named): the width of a gripper.
    Malformed messages are left out, so n may be less than the number given; the difference is
    for the caller to count. Raises MessageError on a type that is not read here.
    """
    width = 1 if type_name == JOINTS or _scalar(type_name) else _WIDTHS.get(type_name)
    if width is None:
        raise MessageError(f"cannot read {type_name}{nearest_name(type_name, [*_WIDTHS, JOINTS])}")
    batch = _Batch(np.zeros(len(messages), np.int64), np.zeros((len(messages), width)))
    everything = np.arange(len(messages))
    if not batch.fill(type_name, messages, joints, everything):
        for rows in _alike(messages):
            if not batch.fill(type_name, messages, joints, rows):
                for row in rows:
                    batch.fill(type_name, messages, joints, row[None])
    return batch.stamps[batch.read], batch.values[batch.read]


def check_message(type_name: str, message: bytes, joints: Sequence[str] = ()) -> None:
    """Raise a MessageError that says why `decode_batch` leaves this message out, if it does."""
    CdrReader(message).header()
    _layout(type_name, message, joints)


def why_unreadable(type_name: str, message: bytes, joints: Sequence[str] = ()) -> str:
    """Why `decode_batch` leaves this message out, "" when it does not."""
    try:
        check_message(type_name, message, joints)
    except MessageError as error:
        return str(error)
    return ""


class _Batch:
    """The answer of `decode_batch`, filled in parts; `read` marks the messages that are in it."""

    def __init__(self, stamps: np.ndarray, values: np.ndarray) -> None:
        self.stamps, self.values = stamps, values
        self.read = np.zeros(len(stamps), bool)

    def fill(
        self, type_name: str, messages: Sequence[bytes], joints: Sequence[str], rows: np.ndarray
    ) -> bool:
        """Read the messages `rows` if all of them have the layout of the first."""
        chosen = messages if len(rows) == len(messages) else [messages[row] for row in rows]
        if len(set(map(len, chosen))) != 1:
            return False
        try:
            layout = _layout(type_name, chosen[0], joints)
        except MessageError:
            return False
        block = np.frombuffer(b"".join(chosen), np.uint8).reshape(len(chosen), -1)
        if not layout.fits(block):
            return False
        self.stamps[rows], self.values[rows], self.read[rows] = layout.read(block)
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
    offset     of `width` numbers of the NumPy type `code`; those in `summed` are added up, if any.
    """

    byte_order: str
    structure: tuple[tuple[int, int, bytes], ...]
    offset: int
    code: str
    width: int
    summed: tuple[int, ...] = ()

    def fits(self, block: np.ndarray) -> bool:
        """Whether all messages, rows of uint8 (n, length), have this layout."""
        return all(
            (block[:, start:stop] == np.frombuffer(expected, np.uint8)).all()
            for start, stop, expected in self.structure
        )

    def read(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stamps (n,), values (n, D) and the mask (n,) of those whose stamp is well formed."""
        order = self.byte_order
        fields = np.dtype(
            {
                "names": ["sec", "nanosec", "values"],
                "formats": [order + "i4", order + "u4", (order + self.code, (self.width,))],
                "offsets": [4, 8, self.offset],
                "itemsize": block.shape[1],
            }
        )
        rows = block.view(fields)[:, 0]
        nanoseconds = rows["nanosec"].astype(np.int64)
        stamps = rows["sec"].astype(np.int64) * NANOSECONDS + nanoseconds
        values = rows["values"].astype(np.float64)
        if self.summed:
            values = sum_columns(values, self.summed)
        return stamps, values, nanoseconds < NANOSECONDS


def sum_columns(values: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """Sum columns of (n, D) from left to right, always in this order: (n, 1)."""
    total = values[:, columns[0]].copy()
    for column in columns[1:]:
        total += values[:, column]
    return total[:, None]


def _layout(type_name: str, message: bytes, joints: Sequence[str]) -> _Layout:
    reader = CdrReader(message)
    reader.header()
    # Encapsulation and the length of frame_id fix everything up to the end of the header.
    structure = [(0, 2, bytes(message[:2])), (12, 16, bytes(message[12:16]))]
    if type_name == JOINTS:
        return _joint_layout(reader, structure, joints)
    code = _scalar(type_name) or "f8"
    width = _WIDTHS.get(type_name, 1)
    size = np.dtype(code).itemsize
    reader.align(size)
    if reader.position + width * size > len(message):
        raise MessageError(f"{len(message)} bytes, too short for {type_name}")
    return _Layout(reader.byte_order, tuple(structure), reader.position, code, width)


def _joint_layout(reader: CdrReader, structure: list, joints: Sequence[str]) -> _Layout:
    reader.align(4)
    start = reader.position
    count = reader.number("I")
    # Each name takes at least its length field: a huge count ends at the end of the message.
    names = [reader.text() for _ in range(count)]
    positions = reader.array("f8")
    stop = reader.position - positions.nbytes
    structure.append((start, stop, bytes(reader.message[start:stop])))
    if len(positions) != len(names) or not names:
        raise MessageError(f"{len(names)} joint names but {len(positions)} positions")
    columns = joint_columns(names, joints)
    return _Layout(reader.byte_order, tuple(structure), stop, "f8", len(names), columns)


def joint_columns(names: Sequence[str], joints: Sequence[str]) -> tuple[int, ...]:
    """Where `joints` are among `names`; everywhere when none is asked for. Raises MessageError."""
    for joint in joints:
        if joint not in names:
            raise MessageError(f"no joint '{joint}'{nearest_name(joint, names)}")
    return tuple(names.index(joint) for joint in joints) or tuple(range(len(names)))


def of_any_package(type_name: str) -> str:
    """The type's name with its package left open: `*/msg/Float64Stamped`."""
    return f"*/msg/{type_name.split('/')[-1]}"


def _scalar(type_name: str) -> str | None:
    return _SCALAR_CODES.get(of_any_package(type_name))
