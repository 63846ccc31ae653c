# SPDX-License-Identifier: Apache-2.0
"""What Ctrl-C leaves of a training, and how to go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from m2r2_ros.errors import printable


@contextmanager
def interruptible(run: Path) -> Iterator[None]:
    """Say on Ctrl-C what of the run folder, or the folders of runs in it, is kept."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            print(printable(_kept(run)), file=sys.stderr)
        raise


def _kept(run: Path) -> str:
    from m2r2_ros.training.run import finished_epochs

    begun = {folder: finished_epochs(folder) for folder in (run, *sorted(run.glob("*/")))}
    done = {folder: epochs for folder, epochs in begun.items() if epochs}
    if not done:
        return f"interrupted: {run} has no finished epoch yet, the same command begins again"
    last = list(done)[-1]
    where = f"{run} has {done[last]} finished epochs"
    if run not in done:
        where = f"{run} has {len(done)} folds, the last with {done[last]} finished epochs"
    return f"interrupted: {where}, and the same command goes on there"
