# SPDX-License-Identifier: Apache-2.0
"""Independent pieces of work in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
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
    raised here; the other pieces are dropped, those under way by SIGTERM. Raises M2R2Error when a
    process is killed.
    """
    if min(workers, len(pieces)) <= 1:
        yield from map(work, pieces)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, follow_parent) as pool:
        futures = [pool.submit(run_piece, work, piece) for piece in pieces]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise M2R2Error("a worker was killed (out of memory?): try fewer --workers") from error
        finally:
            end_workers(pool)


def run_piece(work: Callable[..., Result], *arguments: object) -> Result:
    """In a worker: what a pool should be given. It would take the end for a failed piece, and go on
    with the next one."""
    try:
        return work(*arguments)
    except SystemExit:
        os._exit(1)


def end_workers(pool: ProcessPoolExecutor) -> None:
    """Drop what has not begun, and end what is under way."""
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in multiprocessing.active_children():
        worker.terminate()


def follow_parent() -> None:
    """In a worker: Ctrl-C is the parent's; SIGTERM unwinds, so that partial files go.

    A worker whose parent was killed would wait for work for ever, and goes as well.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
