# SPDX-License-Identifier: Apache-2.0
"""Signals that are noted instead of obeyed, so that a block comes to its end in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back(*numbers: int) -> Iterator[list[int]]:
    """The signals that came meanwhile, which nobody else has heard of."""
    held: list[int] = []
    before = {n: signal.signal(n, lambda number, _: held.append(number)) for n in numbers}
    try:
        yield held
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
