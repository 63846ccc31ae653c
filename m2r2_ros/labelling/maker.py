# SPDX-License-Identifier: Apache-2.0
"""Makes proxies in the background: what is looked at first, then the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from m2r2_ros.errors import M2R2Error
from m2r2_ros.labelling.opened import OpenedRecording
from m2r2_ros.labelling.proxies import Proxies
from m2r2_ros.parallel.priority import thread_gives_way

OpenReader = Callable[[], AbstractContextManager[OpenedRecording]]


class ProxyMaker:
    """A thread that makes the parts of a recording that are not made yet.

    It reads by a reader of its own, so that nobody has to wait for it.

    problem   why it has given up, "" while it has not.
    problems  what it has found wrong with the recording so far.
    """

    def __init__(self, proxies: Proxies, open_reader: OpenReader) -> None:
        self.problem = ""
        self.problems: list[str] = []
        self._proxies, self._open_reader = proxies, open_reader
        self._next = 0
        self._asked: list[int] = []
        self._ended = threading.Event()
        self._changed = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="proxies", daemon=True)
        self._thread.start()

    def ask(self, part: int) -> None:
        """Make a part next, and go on from there."""
        with self._changed:
            if part not in self._proxies.made and part not in self._asked:
                self._asked.append(part)

    def close(self) -> None:
        """End after the part that is being made."""
        self._ended.set()
        self._thread.join()

    def wait(self) -> None:
        """Until all parts are made, or it has given up."""
        self._thread.join()

    def _run(self) -> None:
        # What somebody waits for comes first.
        thread_gives_way()
        if self._choose() is None:
            return
        try:
            with self._open_reader() as reader:
                self.problems = reader.problems
                while not self._ended.is_set() and (part := self._choose()) is not None:
                    self._proxies.make(part, reader)
        except (M2R2Error, OSError) as error:
            self.problem = str(error)

    def _choose(self) -> int | None:
        """What was asked for last, else the next one after it that is missing; None at the end."""
        made, parts = self._proxies.made, self._proxies.parts
        with self._changed, suppress(IndexError):
            self._next = self._asked.pop()
        for step in range(parts):
            part = (self._next + step) % parts
            if part not in made:
                return part
        return None
