# SPDX-License-Identifier: Apache-2.0
"""Streams that are taken block by block, each up to a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class ItemStream:
    """Items (time_ns, ...) in order of time; only the next one is read ahead."""

    def __init__(self, items: Iterable[tuple[Any, ...]]) -> None:
        self._items = iter(items)
        self._next = next(self._items, None)

    @property
    def next_ns(self) -> int | None:
        """Time of the next item, None at the end."""
        return None if self._next is None else self._next[0]

    def before(self, end_ns: int) -> list[tuple[Any, ...]]:
        """Take the items earlier than `end_ns`."""
        taken = []
        while self._next is not None and self._next[0] < end_ns:
            taken.append(self._next)
            self._next = next(self._items, None)
        return taken


class RowStream:
    """Rows of `values` (N, D) stamped by increasing `stamps` int64 (N,)."""

    def __init__(self, stamps: np.ndarray, values: np.ndarray) -> None:
        self._stamps, self._values = stamps, values
        self._begin = 0

    @property
    def next_ns(self) -> int | None:
        """Stamp of the next row, None at the end."""
        return int(self._stamps[self._begin]) if self._begin < len(self._stamps) else None

    def before(self, end_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Take the rows stamped before `end_ns`: stamps (n,), values (n, D)."""
        begin, self._begin = self._begin, int(np.searchsorted(self._stamps, end_ns))
        return self._stamps[begin : self._begin], self._values[begin : self._begin]
