# SPDX-License-Identifier: Apache-2.0
"""tf2_msgs/TFMessage: thousands of transforms a second, as arrays of those that are wanted.

A publisher's messages differ in stamps and numbers only. What else they hold is worked out once,
and a message that repeats it is read by strided NumPy views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m2r2_ros.messages.cdr import NANOSECONDS, CdrReader, MessageError
from m2r2_ros.sensing.rotation import normalised
from m2r2_ros.sensing.transform_tree import Edge

TRANSFORMS = "tf2_msgs/msg/TFMessage"

# 30 000 transforms; of no robot.
MAX_MESSAGE_BYTES = 1 << 22
_STAMP_BYTES, _POSE_BYTES = 8, 56
# Forms that are remembered; a publisher has one or a few.
_MOST_BYTES = 1 << 24
# Forms of one length that are tried on a batch; messages of more are read one by one.
_MOST_TRIED = 8


@dataclass(frozen=True, eq=False)
class TransformForm:
    """What messages of one form share.

    edges             (parent, child) of each transform, in order.
    stamps, poses     where each transform keeps its stamp and its seven numbers.
    template, fixed   the bytes of one message, and 0xff where others must have the same.
    """

    edges: tuple[Edge, ...]
    stamps: np.ndarray
    poses: np.ndarray
    byte_order: str
    template: np.ndarray
    fixed: np.ndarray

    def fits(self, block: np.ndarray) -> np.ndarray:
        """Which rows of uint8 (n, length) have this form, bool (n,)."""
        return ~((block ^ self.template) & self.fixed).any(axis=1)

    def read(self, block: np.ndarray, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One transform: stamps int64 (n,), numbers float64 (n, 7), and which stamps are valid."""
        stamp, pose = int(self.stamps[place]), int(self.poses[place])
        times = np.ascontiguousarray(block[:, stamp : stamp + _STAMP_BYTES])
        seconds = times.view(self.byte_order + "i4")[:, 0].astype(np.int64)
        nanoseconds = times.view(self.byte_order + "u4")[:, 1].astype(np.int64)
        numbers = np.ascontiguousarray(block[:, pose : pose + _POSE_BYTES])
        poses = numbers.view(self.byte_order + "f8").astype(np.float64)
        return seconds * NANOSECONDS + nanoseconds, poses, nanoseconds < NANOSECONDS


def transform_form(message: bytes) -> TransformForm:
    """Work out the form of a message. Raises MessageError."""
    if len(message) > MAX_MESSAGE_BYTES:
        raise MessageError(f"{len(message)} bytes of transforms; the limit is {MAX_MESSAGE_BYTES}")
    reader = CdrReader(message)
    fixed = np.zeros(len(message), np.uint8)
    # The encapsulation's second half are options, which nobody fills.
    fixed[:2] = 0xFF
    edges, stamps, poses = [], [], []
    count = reader.number("I")
    fixed[reader.position - 4 : reader.position] = 0xFF
    for _ in range(count):
        reader.align(4)
        stamps.append(reader.position)
        reader.skip(_STAMP_BYTES)
        names = []
        for _ in range(2):
            reader.align(4)
            start = reader.position
            names.append(frame_name(reader.raw_text()))
            fixed[start : reader.position] = 0xFF
        edges.append((names[0], names[1]))
        reader.align(8)
        poses.append(reader.position)
        reader.skip(_POSE_BYTES)
    template = np.frombuffer(message, np.uint8)
    order = reader.byte_order
    return TransformForm(tuple(edges), np.array(stamps), np.array(poses), order, template, fixed)


def first_transform_ns(message: bytes) -> int:
    """Stamp of the first transform of a message. Raises MessageError."""
    reader = CdrReader(message)
    if not reader.number("I"):
        raise MessageError("a message without a transform")
    return reader.time()


def frame_name(name: bytes) -> bytes:
    """A frame's name without the slash that ROS 1 began it with."""
    return name.removeprefix(b"/")


@dataclass(frozen=True)
class TransformSamples:
    """Samples of wanted edges in the order of the topic.

    message  index of the message in its batch; edge: its number among the wanted; stamps [ns];
    poses    float64 (n, 7), NaN where a transform is none.
    refused  transforms left out, since their stamp is none.
    """

    message: np.ndarray
    edge: np.ndarray
    stamps: np.ndarray
    poses: np.ndarray
    refused: int = 0


class TransformBatch:
    """Messages in order, each with its form; None for one that cannot be read."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self.messages = messages
        self.forms: list[TransformForm | None] = [None] * len(messages)
        # Form, the messages of that form, their bytes (n, length).
        self._groups: list[tuple[TransformForm, np.ndarray, np.ndarray]] = []

    def place(self, form: TransformForm, rows: np.ndarray, block: np.ndarray) -> None:
        """Note that the messages `rows` have this form."""
        self._groups.append((form, rows, block))
        for row in rows.tolist():
            self.forms[row] = form

    def samples(self, wanted: Mapping[Edge, int], begin: int, end: int) -> TransformSamples:
        """The transforms of the `wanted` edges in the messages from `begin` to before `end`."""
        parts = []
        for form, rows, block in self._groups:
            first, last = np.searchsorted(rows, (begin, end))
            if first == last:
                continue
            for place, edge in enumerate(form.edges):
                if edge in wanted:
                    chosen = rows[first:last]
                    read = form.read(block[first:last], place)
                    which = (np.full(len(chosen), n) for n in (place, wanted[edge]))
                    parts.append((chosen, *which, *read))
        return _in_order(parts)


def _in_order(parts: list[tuple]) -> TransformSamples:
    """`parts`: messages, place within them, edge, stamps, poses, which are well formed."""
    if not parts:
        none = np.empty(0, np.int64)
        return TransformSamples(none, none, none, np.empty((0, 7)))
    message, place, edge, stamps, poses, sound = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    order = np.lexsort((place, message))
    order = order[sound[order]]
    refused = len(sound) - len(order)
    poses = normalised(poses[order])
    return TransformSamples(message[order], edge[order], stamps[order], poses, refused)


class TransformReader:
    """Reads batches of messages and remembers their forms.

    malformed  messages that could not be read; reason: why the newest of them could not.
    """

    def __init__(self) -> None:
        self.malformed = 0
        self.reason = ""
        self._known: dict[int, list[TransformForm]] = {}
        self._bytes = 0

    def batch(self, messages: Sequence[bytes]) -> TransformBatch:
        """Find the form of each message."""
        batch = TransformBatch(messages)
        lengths: dict[int, list[int]] = {}
        for index, message in enumerate(messages):
            lengths.setdefault(len(message), []).append(index)
        for length, rows in lengths.items():
            self._place(batch, length, np.array(rows))
        return batch

    def _place(self, batch: TransformBatch, length: int, rows: np.ndarray) -> None:
        """Place all messages of one length."""
        block = np.frombuffer(b"".join(batch.messages[row] for row in rows), np.uint8)
        block = block.reshape(len(rows), length)
        for form in self._known.get(length, [])[:_MOST_TRIED]:
            if not len(rows):
                return
            rows, block = _take(batch, form, rows, block)
        for _ in range(_MOST_TRIED):
            if not len(rows):
                return
            form = self._form(batch.messages[rows[0]])
            if form is None:
                rows, block = rows[1:], block[1:]
            else:
                rows, block = _take(batch, form, rows, block)
        for index, row in enumerate(rows.tolist()):
            if form := self._form(batch.messages[row]):
                batch.place(form, rows[index : index + 1], block[index : index + 1])

    def _form(self, message: bytes) -> TransformForm | None:
        try:
            form = transform_form(message)
        except MessageError as error:
            self.malformed += 1
            self.reason = str(error)
            return None
        if self._bytes > _MOST_BYTES:
            self._known.clear()
            self._bytes = 0
        # A few of one length are enough: the newest first.
        known = self._known.setdefault(len(message), [])
        known.insert(0, form)
        self._bytes += 2 * len(message)
        for dropped in known[_MOST_TRIED:]:
            self._bytes -= 2 * len(dropped.template)
        del known[_MOST_TRIED:]
        return form


def _take(
    batch: TransformBatch, form: TransformForm, rows: np.ndarray, block: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Place the rows that have this form; the others are returned."""
    fits = form.fits(block)
    if fits.any():
        batch.place(form, rows[fits], block[fits])
    return rows[~fits], block[~fits]
