# SPDX-License-Identifier: Apache-2.0
"""Notices silent topics and says the likely reason."""

from __future__ import annotations

from collections.abc import Iterable

from m2r2_ros.nodes.topic_input import TopicInput


class TopicWatchdog:
    """Compares the counts of the inputs now and then; times are of a steady clock, in seconds.

    silent: topic -> reason, for each topic without a message for `limit_s`.
    """

    def __init__(self, limit_s: float) -> None:
        self.silent: dict[str, str] = {}
        self.limit_s = limit_s
        self._heard: dict[str, tuple[int, float]] = {}
        self._started = 0.0

    def start(self, now_s: float) -> None:
        """Begin afresh: nothing is expected to have come before `now_s`."""
        self._started = now_s
        self._heard.clear()
        self.silent.clear()

    def check(self, inputs: Iterable[TopicInput], now_s: float) -> list[str]:
        """Return a warning for each topic that has become silent since the last check."""
        warnings = []
        for source in inputs:
            count, heard_s = self._heard.get(source.topic, (0, self._started))
            if source.received != count:
                self._heard[source.topic] = (source.received, now_s)
                self.silent.pop(source.topic, None)
            elif now_s - heard_s >= self.limit_s:
                # Why nothing can come may be known later than that nothing does.
                known = self.silent.get(source.topic)
                is_new = known is None or (source.problem not in ("", known))
                self.silent[source.topic] = self._reason(source, now_s - heard_s)
                warnings += [self.silent[source.topic]] * is_new
        return warnings

    def _reason(self, source: TopicInput, silence_s: float) -> str:
        if source.problem:
            return source.problem
        if not source.received:
            return (
                f"nothing has come on {source.topic} for {silence_s:.0f} s though it has a "
                "publisher: is it publishing, and does the network let it through?"
            )
        return f"{source.topic} has been silent for {silence_s:.0f} s"
