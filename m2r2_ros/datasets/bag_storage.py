# SPDX-License-Identifier: Apache-2.0
"""What the storage files of a bag have in common: topics, and messages in order of log time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol

# The serialisation of ROS 2; what else a bag holds is left out, and said.
CDR = "cdr"


class LogSpan(NamedTuple):
    """Log times in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int


class BagMessage(NamedTuple):
    """One serialised message as it was recorded."""

    topic: str
    type_name: str
    log_ns: int
    data: bytes


@dataclass
class StoredTopic:
    """A topic of a storage file. `count`: its messages; `qos`: as written, a text or a list.

    `definition`: of its type, as .msg files say it, "" where the file has none.
    """

    name: str
    type_name: str
    encoding: str
    count: int
    qos: Any = ""
    definition: str = ""


class Storage(Protocol):
    """One open storage file.

    start_ns, end_ns  log times of the first and the last message; both 0 without messages.
    problems          what is damaged, a line each; reading may add to it.
    """

    path: Path
    topics: list[StoredTopic]
    start_ns: int
    end_ns: int
    problems: list[str]

    def messages(
        self, topics: Collection[str], within: LogSpan | None = None
    ) -> Iterator[BagMessage]:
        """Yield the messages of `topics` in order of log time, by the index those `within` a span.

        Raises M2R2Error on damage.
        """
        ...

    def close(self) -> None: ...


class Span(NamedTuple):
    """A part of a recording whose messages, in order, begin at a log time."""

    start_ns: int
    read: Callable[[], Iterable[BagMessage]]


def in_order(spans: Iterable[Span]) -> Iterator[BagMessage]:
    """Messages of all spans by log time; a span is opened only when its time has come.

    At the same log time the span that was named first comes first.
    """
    waiting = sorted(spans, key=lambda span: span.start_ns, reverse=True)
    numbers = count()
    opened: list[tuple[int, int, BagMessage, Iterator[BagMessage]]] = []
    while waiting or opened:
        if waiting and (not opened or waiting[-1].start_ns <= opened[0][0]):
            messages, number = iter(waiting.pop().read()), next(numbers)
        else:
            _, number, message, messages = heapq.heappop(opened)
            yield message
        limit = min(waiting[-1].start_ns if waiting else _NEVER, opened[0][0] if opened else _NEVER)
        # As long as no other span can come first, nothing has to be compared.
        for message in messages:
            if message.log_ns >= limit:
                heapq.heappush(opened, (message.log_ns, number, message, messages))
                break
            yield message


_NEVER = 2**64
