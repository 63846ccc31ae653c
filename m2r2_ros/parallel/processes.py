# SPDX-License-Identifier: Apache-2.0
"""Independent pieces of work in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing.queues import SimpleQueue
from typing import Any, TypeVar

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.progress import told_to

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# In a worker: where it says how far it is.
_reports: SimpleQueue[Any] | None = None


def in_processes(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    workers: int,
    reports: SimpleQueue[Any] | None = None,
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
    with ProcessPoolExecutor(workers, context, follow_parent, (reports,)) as pool:
        futures = [pool.submit(run_piece, work, piece) for piece in pieces]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise M2R2Error("a worker was killed (out of memory?): try fewer --workers") from error
        finally:
            end_workers(pool)


def over_processes(
    function: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    workers: int,
    lost: Callable[[Piece, str], Result],
) -> Iterator[Result]:
    """Yield function(piece) of all pieces, as they are done, from `workers` processes.

    Those that were under way when a process was killed are tried once more, one at a time; for one
    that has its process killed again, `lost` gives the result. What `function` raises is raised
    here.
    """
    waiting = iter(pieces)
    while held := (yield from _until_killed(function, waiting, workers, workers + 1)):
        suspects = iter(held)
        while guilty := (yield from _until_killed(function, suspects, 1, 1)):
            yield lost(guilty[0], "its process was killed, alone, too (out of memory?)")


def _until_killed(
    function: Callable[[Piece], Result], waiting: Iterator[Piece], workers: int, most: int
) -> Generator[Result, None, list[Piece]]:
    """Yield results until all are done or a process is killed; returns what was under way then.

    That is `most` pieces at most.
    """
    running: dict[Future[Result], Piece] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, follow_parent) as pool:
        try:
            while True:
                for piece in islice(waiting, most - len(running)):
                    running[_submitted(pool, function, piece)] = piece
                if not running:
                    return []
                finished = wait(running, return_when=FIRST_COMPLETED).done
                if is_broken := any(map(_was_killed, finished)):
                    finished = wait(running).done
                for future in [f for f in finished if not _was_killed(f)]:
                    del running[future]
                    yield future.result()
                if is_broken:
                    return list(running.values())
        finally:
            end_workers(pool)


def _was_killed(future: Future[Any]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _submitted(
    pool: ProcessPoolExecutor, function: Callable[[Piece], Result], piece: Piece
) -> Future[Result]:
    """What will hold the result; of a pool that has just broken, the error."""
    try:
        return pool.submit(run_piece, function, piece)
    except BrokenProcessPool as error:
        broken: Future[Result] = Future()
        broken.set_exception(error)
        return broken


def told_in_processes(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    workers: int,
    listener: Callable[[int, float], None],
) -> Iterator[Result]:
    """As `in_processes`; the listener, called in a thread of its own, is told how far the bars of
    each piece are: its number among the pieces, and the part that is done."""
    numbered = list(enumerate(pieces))
    if min(workers, len(pieces)) <= 1:
        yield from map(partial(_told, work, listener), numbered)
        return
    reports = multiprocessing.get_context("spawn").SimpleQueue()
    reader = threading.Thread(target=_pass_on, args=(reports, listener), daemon=True)
    reader.start()
    try:
        yield from in_processes(partial(_reporting, work), numbered, workers, reports)
    finally:
        reports.put(None)
        reader.join()


def _pass_on(reports: SimpleQueue[Any], listener: Callable[[int, float], None]) -> None:
    while (report := reports.get()) is not None:
        listener(*report)


def _reporting(work: Callable[[Piece], Result], numbered: tuple[int, Piece]) -> Result:
    return _told(work, lambda *report: _reports.put(report), numbered)


def _told(
    work: Callable[[Piece], Result],
    listener: Callable[[int, float], None],
    numbered: tuple[int, Piece],
) -> Result:
    number, piece = numbered
    with told_to(partial(listener, number)):
        return work(piece)


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


def follow_parent(reports: SimpleQueue[Any] | None = None) -> None:
    """In a worker: Ctrl-C is the parent's; SIGTERM unwinds, so that partial files go.

    A worker whose parent was killed would wait for work for ever, and goes as well.
    """
    global _reports
    _reports = reports
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
