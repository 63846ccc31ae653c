# SPDX-License-Identifier: Apache-2.0
"""Reading and computing at the same time: the reader runs ahead in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")

_END = object()
# How long a reader that nobody listens to any more may take to notice.
_NOTICE_S = 0.1


@contextmanager
def read_ahead(items: Iterable[Item], depth: int) -> Iterator[Iterator[Item]]:
    """Give the items, in order, read by a thread that is at most `depth` of them ahead.

    An exception of the reader is raised at its place among the items. When the block ends the
    thread has ended too, whether or not everything was read.
    """
    ahead: queue.Queue[tuple[object, BaseException | None]] = queue.Queue(depth)
    left = threading.Event()

    def put(entry: tuple[object, BaseException | None]) -> None:
        while not left.is_set():
            try:
                ahead.put(entry, timeout=_NOTICE_S)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for item in items:
                put((item, None))
                if left.is_set():
                    return
        except BaseException as error:
            put((_END, error))
        else:
            put((_END, None))

    def taken() -> Iterator[Item]:
        while True:
            item, error = ahead.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item

    thread = threading.Thread(target=read, name="read ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        left.set()
        thread.join()
