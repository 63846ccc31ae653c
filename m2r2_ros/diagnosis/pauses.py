# SPDX-License-Identifier: Apache-2.0
"""For how long a node has not been at work."""

from __future__ import annotations

import time


class Pauses:
    """Times between an active stretch and the next one, through cleanup, too."""

    def __init__(self) -> None:
        self.count = 0
        self._began_s: float | None = None
        self._before_s = 0.0

    def begin(self) -> None:
        self.count += 1
        self._began_s = time.monotonic()

    def end(self) -> float:
        """How long the one that ends now was [s], 0 where there is none."""
        paused_s, self._began_s = self._present_s, None
        self._before_s += paused_s
        return paused_s

    @property
    def total_s(self) -> float:
        return self._before_s + self._present_s

    @property
    def text(self) -> str:
        """What is to be said of the one that goes on, "" where there is none."""
        return f"paused for {self._present_s:.0f} s" if self._began_s is not None else ""

    @property
    def _present_s(self) -> float:
        return 0.0 if self._began_s is None else time.monotonic() - self._began_s
