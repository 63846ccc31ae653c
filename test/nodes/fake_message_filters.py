# SPDX-License-Identifier: Apache-2.0
"""As much of `message_filters` as the package uses, for machines that lack it.

The real one comes with a robot's ROS; where it is installed, the tests use it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from types import ModuleType
from typing import Any


class SimpleFilter:
    def __init__(self) -> None:
        self._callbacks: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def registerCallback(self, callback, *arguments):
        self._callbacks.append((callback, arguments))

    def signalMessage(self, *messages):
        for callback, arguments in self._callbacks:
            callback(*messages, *arguments)


class ApproximateTimeSynchronizer(SimpleFilter):
    """Sets of one message an input, no two further apart than `slop` seconds; each in one set."""

    def __init__(self, fs, queue_size, slop):
        super().__init__()
        self._size, self._slop_ns = queue_size, slop * 1e9
        self._queues = [{} for _ in fs]
        for index, source in enumerate(fs):
            source.registerCallback(self._add, index)

    def _add(self, message, index):
        stamp = message.header.stamp
        now_ns = stamp.sec * 10**9 + stamp.nanosec
        own = self._queues[index]
        own[now_ns] = message
        while len(own) > self._size:
            del own[min(own)]
        choices = [
            [now_ns] if queue is own else sorted(queue, key=lambda ns: abs(ns - now_ns))
            for queue in self._queues
        ]
        for stamps in product(*choices):
            if now_ns in own and max(stamps) - min(stamps) < self._slop_ns:
                chosen = zip(self._queues, stamps, strict=True)
                self.signalMessage(*[queue.pop(ns) for queue, ns in chosen])
                return


def as_module() -> ModuleType:
    module = ModuleType("message_filters")
    module.SimpleFilter = SimpleFilter
    module.ApproximateTimeSynchronizer = ApproximateTimeSynchronizer
    return module
