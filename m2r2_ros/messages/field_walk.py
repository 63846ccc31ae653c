# SPDX-License-Identifier: Apache-2.0
"""One walk through a serialised message along its definition: where the wanted numbers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from m2r2_ros.errors import nearest_name
from m2r2_ros.messages.cdr import CdrReader, MessageError
from m2r2_ros.messages.definition import NUMBERS, TEXT, Definitions, FieldType, stamp_field
from m2r2_ros.messages.field_path import FieldPath, Step

# A list of messages with more entries is no sensor's.
MAX_ENTRIES = 65_536
# Deeper is no message but a loop of definitions.
_MAX_DEPTH = 32

# Paths that lead on into a field: number of the path, and its steps from there.
_Wanted = list[tuple[int, tuple[Step, ...]]]


class Run(NamedTuple):
    """`count` neighbouring numbers of the NumPy type `code`, from byte `offset` on."""

    offset: int
    code: str
    count: int


@dataclass
class Found:
    """Where one message has what.

    runs       of each path, in the order of the message.
    stamp      byte of its stamp, None for a message without.
    structure  bytes [start, stop) that another message must share to be laid out like it.
    """

    runs: list[list[Run]]
    stamp: int | None = None
    structure: list[tuple[int, int, bytes]] = field(default_factory=list)


def find(
    type_name: str, paths: Sequence[FieldPath], definitions: Definitions, message: bytes
) -> Found:
    """Walk until all numbers are found. Raises MessageError where they are not."""
    walk = _Walk(definitions, CdrReader(message), Found([[] for _ in paths]))
    walk.found.structure.append((0, 2, bytes(message[:2])))
    walk.top(type_name, [(index, path.steps) for index, path in enumerate(paths)])
    return walk.found


class _Walk:
    def __init__(self, definitions: Definitions, reader: CdrReader, found: Found) -> None:
        self.found = found
        self._definitions, self._reader = definitions, reader
        self._depth = self._entries = 0

    def top(self, type_name: str, wanted: _Wanted) -> None:
        """The message itself, up to its last field that matters."""
        fields = self._definitions(type_name)
        stamp = stamp_field(fields)
        last = {steps[0].field for _, steps in wanted} | {stamp}
        names = [name for name, _ in fields]
        stop = max((index + 1 for index, name in enumerate(names) if name in last), default=0)
        self._fields(fields[:stop], wanted, stamp)

    def _message(self, type_name: str, wanted: _Wanted) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise MessageError(f"{type_name} is nested too deep")
        self._fields(self._definitions(type_name), wanted)
        self._depth -= 1

    def _fields(
        self, fields: Sequence[tuple[str, FieldType]], wanted: _Wanted, stamp: str = ""
    ) -> None:
        # Names that stand before the numbers which they name.
        texts: list[str] = []
        for name, kind in fields:
            here = [each for each in wanted if not each[1] or each[1][0].field == name]
            if stamp and name == stamp:
                self._reader.align(4)
                self.found.stamp = self._reader.position
                # Raises on a stamp that cannot be, and leaves this cursor where it is.
                self._copy().time()
            if kind.name == TEXT and kind.count is not None:
                texts = self._texts(kind)
            else:
                self._field(kind, here, texts)

    def _copy(self) -> CdrReader:
        """Another cursor at the same place."""
        other = CdrReader(self._reader.message)
        other.position = self._reader.position
        return other

    def _field(self, kind: FieldType, wanted: _Wanted, texts: list[str]) -> None:
        count = 1 if kind.count is None else kind.count or self._length()
        chosen = [(each, *_span(each[1], count, texts)) for each in wanted]
        if kind.name in NUMBERS:
            self._numbers(NUMBERS[kind.name], count, chosen)
            return
        if kind.name == TEXT:
            self._reader.skip(self._length())
            return
        self._entries += count
        if self._entries > MAX_ENTRIES:
            raise MessageError(f"more than {MAX_ENTRIES} entries of {kind.name}")
        for index in range(count):
            further = [(n, s[1:]) for (n, s), start, stop in chosen if start <= index < stop]
            self._message(kind.name, further)

    def _numbers(
        self, code: str, count: int, chosen: list[tuple[tuple[int, tuple[Step, ...]], int, int]]
    ) -> None:
        size = int(code[1])
        if count:
            self._reader.align(size)
        start = self._reader.position
        self._reader.skip(count * size)
        for (number, _), first, stop in chosen:
            _add(self.found.runs[number], Run(start + first * size, code, stop - first))

    def _texts(self, kind: FieldType) -> list[str]:
        start = self._reader.position
        count = kind.count or self._reader.number("I")
        texts = [self._reader.text() for _ in range(count)]
        self._fix(start, self._reader.position)
        return texts

    def _length(self) -> int:
        """A length, which fixes where all that follows is."""
        length = self._reader.number("I")
        self._fix(self._reader.position - 4, self._reader.position)
        return length

    def _fix(self, start: int, stop: int) -> None:
        self.found.structure.append((start, stop, bytes(self._reader.message[start:stop])))


def _span(steps: tuple[Step, ...], count: int, texts: list[str]) -> tuple[int, int]:
    """The entries [start, stop) of a list of `count` that a path means; all without a step."""
    if not steps:
        return 0, count
    step = steps[0]
    if step.name:
        if step.name not in texts:
            raise MessageError(f"{step.field} has no '{step.name}'{nearest_name(step.name, texts)}")
        start = texts.index(step.name)
        stop = start + 1
    else:
        start, stop = step.start, count if step.stop is None else step.stop
    if stop > count:
        raise MessageError(f"{step} is beyond its {count} entries")
    return start, stop


def _add(runs: list[Run], run: Run) -> None:
    """Neighbours become one."""
    if runs and runs[-1].code == run.code:
        last = runs[-1]
        if last.offset + last.count * int(last.code[1]) == run.offset:
            runs[-1] = Run(last.offset, last.code, last.count + run.count)
            return
    if run.count:
        runs.append(run)
