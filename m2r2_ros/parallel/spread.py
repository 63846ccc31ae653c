# SPDX-License-Identifier: Apache-2.0
"""One piece of work a recording, done here, in processes, or on a Ray cluster.

Results come as they are done. A piece that fails is named, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.cluster import over_cluster
from m2r2_ros.parallel.processes import over_processes
from m2r2_ros.parallel.progress import Progress, told_to

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Reasons that one line tells.
_NAMED = 3
_BAR = (
    "{{desc}}: {{percentage:3.0f}}% |{{bar}}| {{n:.1f}} of {{total}} {unit} "
    "[{{elapsed}}<{{remaining}}{{postfix}}]"
)


@dataclass(frozen=True)
class Workers:
    """`count` processes of this machine, or the Ray cluster at the address `ray`."""

    count: int = 1
    ray: str | None = None

    @property
    def arguments(self) -> list[str]:
        """As a command is told."""
        return ["--workers", str(self.count), *(["--ray", self.ray] if self.ray else [])]


ALONE = Workers()


@dataclass(frozen=True)
class Done(Generic[Piece, Result]):
    """A piece with its result, or with the reason why it has none."""

    piece: Piece
    result: Result | None = None
    error: str = ""


def spread(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    workers: Workers,
    title: str,
    unit: str = "recordings",
    already: int = 0,
    gpus: int = 0,
    apart: bool = False,
) -> Iterator[Done[Piece, Result]]:
    """Yield what `work` makes of each piece, as it is done, beside one progress bar.

    An M2R2Error of `work`, or a process that is killed each time that the piece is tried, is that
    piece's `error`; any other exception is raised. The bar counts `already` pieces that were done
    before. A piece takes `gpus` GPUs of a cluster. `apart`: never in this process. Pieces, work and
    results travel between processes: large ones belong in files.
    """
    bar = Progress(
        desc=title, total=already + len(pieces), initial=already, bar_format=_BAR.format(unit=unit)
    )
    with bar:
        failed = 0
        for number, done in enumerate(_way(work, pieces, workers, gpus, apart, bar), already + 1):
            failed += bool(done.error)
            bar.set_postfix_str(f"{failed} failed" if failed else "", refresh=False)
            bar.update(number - bar.n)
            yield done


def every(results: Iterable[Done[Piece, Result]], name: Callable[[Piece], str]) -> list[Result]:
    """The results. Raises M2R2Error, which names the first that failed, once all were tried."""
    made, errors = [], []
    for done in results:
        if done.error:
            known = name(done.piece)
            errors.append(done.error if known in done.error else f"{known}: {done.error}")
        else:
            made.append(done.result)
    if len(errors) > 1:
        total = len(errors) + len(made)
        raise M2R2Error(f"{len(errors)} of {total} failed: " + "; ".join(errors[:_NAMED]))
    if errors:
        raise M2R2Error(errors[0])
    return made


def _way(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    workers: Workers,
    gpus: int,
    apart: bool,
    bar: Progress,
) -> Iterator[Done[Piece, Result]]:
    if not pieces:
        return iter(())
    quietly = partial(_quietly, work)
    if workers.ray is not None:
        return over_cluster(quietly, pieces, workers.ray, _lost, gpus)
    count = min(workers.count, len(pieces))
    if count > 1 or apart:
        return over_processes(quietly, pieces, count, _lost)
    return (_listening(work, piece, bar) for piece in pieces)


def _attempt(work: Callable[[Piece], Result], piece: Piece) -> Done[Piece, Result]:
    try:
        return Done(piece, work(piece))
    except M2R2Error as error:
        return Done(piece, error=str(error))


def _quietly(work: Callable[[Piece], Result], piece: Piece) -> Done[Piece, Result]:
    """In another process: its own bars are not shown."""
    with told_to(lambda part: None):
        return _attempt(work, piece)


def _listening(work: Callable[[Piece], Result], piece: Piece, bar: Progress) -> Done[Piece, Result]:
    """In this process: the part of the piece that is done moves the bar."""
    before = bar.n
    with told_to(lambda part: bar.update(before + part - bar.n)):
        return _attempt(work, piece)


def _lost(piece: Piece, why: str) -> Done[Piece, Any]:
    return Done(piece, error=why)
