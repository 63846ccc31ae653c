# SPDX-License-Identifier: Apache-2.0
"""A stretch of time under one label, on its way to being published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Stretch:
    """A stretch of one choice (`choices.py`), published or not yet believed.

    `start_ns` is where it begins, `boundary` the highest boundary probability around that,
    `total` the sum of its label's probability over the `frames` that decided for it.
    """

    choice: int
    start_ns: int
    boundary: float
    total: float = 0.0
    frames: int = 0

    def add(self, confidence: float) -> None:
        """Count a frame that gives the label this probability."""
        self.total += confidence
        self.frames += 1


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
