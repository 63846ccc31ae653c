# SPDX-License-Identifier: Apache-2.0
"""Progress of long work: a bar on a terminal, a line now and then where output goes to a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

# Between lines in a file; work that is shorter leaves none.
LINE_INTERVAL_S = 30.0

# Is told which part of a piece of work is done, 0 to 1.
Listener = Callable[[float], None]
_listener: Listener | None = None


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Bars of this block are not shown: the listener is told how far each is."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


@contextmanager
def as_part(start: float, size: float) -> Iterator[None]:
    """What is told in this block counts as that part of the work around it."""
    whole = _listener
    if whole is None:
        yield
        return
    whole(start)
    with told_to(lambda done: whole(start + size * done)):
        yield
    whole(start + size)


class Progress(tqdm):
    """As tqdm, whose arguments it takes; `disable=True` for work that others report."""

    # No thread that looks after slow bars: workers are forked while one is open.
    monitor_interval = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["disable"] = bool(options.get("disable"))
        # The time left is by all that is done: one slow piece does not make hours of minutes.
        options.setdefault("smoothing", 0.0)
        self._listener = None if options["disable"] else _listener
        if self._listener:
            options["file"] = _Nothing()
        stream = options.get("file") or sys.stderr
        self._in_lines = not getattr(stream, "isatty", bool)()
        self._said_at: float | None = None
        self._said_count: float = 0
        super().__init__(*arguments, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the bar, or write a line if the last one is long enough ago."""
        if self._listener:
            self._listener(min(1.0, self.n / self.total) if self.total else 0.0)
            return
        if not self._in_lines:
            super().display(msg, pos)
            return
        now = self._time()
        since = self._said_at or getattr(self, "start_t", now)
        if now - since >= LINE_INTERVAL_S:
            self._say(now)

    def close(self) -> None:
        """End; in a file, with a line about the whole if those before are of less."""
        if self._in_lines and not self.disable:
            if self._said_at is not None and self._said_count != self.n:
                self._say(self._time())
            self.leave = False
            self.fp = _Nothing()
        super().close()

    def _say(self, now: float) -> None:
        self._said_at, self._said_count = now, self.n
        self.fp.write(f"{self}\n")
        self.fp.flush()


class _Nothing:
    """Takes what tqdm writes to tidy up a terminal."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """There is nothing to flush."""
