# SPDX-License-Identifier: Apache-2.0
"""Which counts have risen lately: what is long over is counted, and no longer warned of."""

from __future__ import annotations

import time
from collections.abc import Mapping

_MINUTE_S = 60.0


class RecentRises:
    """Of counts that only rise, within the last minute. One that falls has begun anew."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._risen_s: dict[str, float] = {}

    def of(self, counts: Mapping[str, float], steady_s: float | None = None) -> set[str]:
        """The names whose count has risen; a new one counts from 0. Call it once a second."""
        now_s = time.monotonic() if steady_s is None else steady_s
        for name, count in counts.items():
            before = self._counts.get(name, 0)
            if count > (before if count >= before else 0):
                self._risen_s[name] = now_s
        self._counts = dict(counts)
        self._risen_s = {n: since_s for n, since_s in self._risen_s.items() if n in counts}
        return {n for n, since_s in self._risen_s.items() if now_s - since_s < _MINUTE_S}
