# SPDX-License-Identifier: Apache-2.0
"""One bar over stages of different kinds, in seconds that they are reckoned to take."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from m2r2_ros.parallel.progress import Progress, told_to

_SHAPE = "{desc}: {percentage:3.0f}% |{bar}| [{elapsed}<{remaining}]"


class WholeProgress:
    """`total_s` of all stages, `done_s` of those that an earlier run has done."""

    def __init__(self, total_s: float, done_s: float) -> None:
        settings = {"initial": done_s, "total": total_s}
        self._bar = Progress(desc="learning", bar_format=_SHAPE, **settings)
        self._done_s = done_s
        self._lock = threading.Lock()

    def close(self) -> None:
        """The last line."""
        self._bar.close()

    @contextmanager
    def stage(self, name: str, seconds: float) -> Iterator[None]:
        """The bars of this block count as so many seconds of the whole."""
        with self.stages(name, [seconds]) as listener, told_to(lambda part: listener(0, part)):
            yield

    @contextmanager
    def stages(self, name: str, seconds: Sequence[float]) -> Iterator[Callable[[int, float], None]]:
        """As `stage`, for pieces side by side: gives what is told a piece's number and part."""
        self._bar.set_description_str(name)
        parts = [0.0] * len(seconds)

        def listener(piece: int, part: float) -> None:
            with self._lock:
                parts[piece] = max(parts[piece], part)
                spent = sum(part * each for part, each in zip(parts, seconds, strict=True))
                self._move(self._done_s + spent)

        yield listener
        self._done_s += sum(seconds)
        self._move(self._done_s)

    def _move(self, seconds: float) -> None:
        if seconds > self._bar.n:
            self._bar.update(min(seconds, self._bar.total) - self._bar.n)
