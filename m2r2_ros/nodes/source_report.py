# SPDX-License-Identifier: Apache-2.0
"""What the synchronizer's status says of each sensor's topic."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from m2r2_ros.nodes.sources import Source
from m2r2_ros.sensing.counters import StreamCounters


class Rates:
    """Messages a second of each source since the last time that somebody asked."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._asked_s = time.monotonic()

    def measure(self, sources: Sequence[Source], now_s: float) -> dict[str, float]:
        elapsed = max(now_s - self._asked_s, 1e-3)
        counts = {source.name: source.input.received for source in sources}
        rates = {name: (n - self._last.get(name, 0)) / elapsed for name, n in counts.items()}
        self._last, self._asked_s = counts, now_s
        return rates


def describe(source: Source, rate_hz: float, counters: StreamCounters) -> dict[str, Any]:
    """The values of one source's status, each after its name."""
    values = {
        "topic": source.input.topic,
        "type": source.input.type_name,
        "rate_hz": rate_hz,
        "messages": source.input.received,
        "lost": source.input.lost,
        "queue_age_ms": source.input.waited.take_ms(),
        "malformed": source.malformed,
        "stamps": source.stamps,
        "form": source.signature.now,
        "form_changes": source.signature.changes,
        **counters.as_dict(),
    }
    return {f"{source.name}.{name}": value for name, value in values.items()}
