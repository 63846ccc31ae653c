# SPDX-License-Identifier: Apache-2.0
"""Independent pieces of work in processes of their own."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from m2r2_ros.errors import M2R2Error

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], workers: int
) -> Iterator[Result]:
    """Results as they come, from up to `workers` processes; from this one if one is enough.

    `work` and the pieces are pickled, for processes that start with nothing. What it raises is
    raised here, and the pieces that have not begun are dropped. Raises M2R2Error when a process
    is killed.
    """
    if min(workers, len(pieces)) <= 1:
        yield from map(work, pieces)
        return
    context = multiprocessing.get_context("spawn")
    # Ctrl-C reaches the workers too; they are to die of it without a traceback each.
    reset = (signal.SIGINT, signal.SIG_DFL)
    with ProcessPoolExecutor(workers, context, signal.signal, reset) as pool:
        futures = [pool.submit(work, piece) for piece in pieces]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise M2R2Error("a worker was killed (out of memory?): try fewer --workers") from error
        finally:
            pool.shutdown(cancel_futures=True)
