# SPDX-License-Identifier: Apache-2.0
"""A folder of recordings, a seed each: in parallel, resumable, never half-written.

Nothing here imports MuJoCo: it is imported in the worker processes, after their environment
(GL back end, one BLAS thread) is set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.spread import ALONE, Done, Workers, spread
from m2r2_ros.simulation.recipe import STAMP, Recipe, RecipeSplit, check_stamp, write_stamp

# A split and the seed of a recording.
Missing = tuple[RecipeSplit, int]

_WORKER_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Finished:
    """One recording that was written: how long it lasts and how long that took."""

    path: Path
    duration_s: float
    wall_s: float


def pending(out: Path, recipe: Recipe) -> list[Missing]:
    """Every recording that has no file yet."""
    return [
        (split, seed)
        for split in recipe.splits
        for seed in split.seeds
        if not split.path(out, seed).exists()
    ]


def generate(
    out: Path, recipe: Recipe, workers: Workers = ALONE
) -> Iterator[Done[Missing, Finished]]:
    """Write what is missing of a data set, yielding each recording as it is done.

    A folder holds recordings of one kind: raises M2R2Error if it has others. Where MuJoCo or a GL
    library is missing, none can be made and nothing is written.
    """
    missing = pending(out, recipe)
    for split in recipe.splits:
        if check_stamp(split.folder(out), split.settings):
            continue
        if any(split.path(out, seed).exists() for seed in split.seeds):
            raise M2R2Error(
                f"{split.folder(out)} has recordings but no {STAMP}: use another folder"
            )
    os.environ.update(_WORKER_ENVIRONMENT)
    work = partial(_write_one, out.absolute())
    already = sum(split.recordings for split in recipe.splits) - len(missing)
    return spread(work, missing, workers, "simulating", already=already, apart=True)


def name_of(missing: Missing) -> str:
    """The recording's name."""
    split, seed = missing
    return split.path(Path(), seed).stem


def _write_one(out: Path, missing: Missing) -> Finished:
    from m2r2_ros.datasets.reassemble_writer import write_recording

    split, seed = missing
    path, settings, start = split.path(out, seed), split.settings, time.monotonic()
    simulator = _simulator(bool(settings.cameras))
    if not check_stamp(split.folder(out), settings):
        write_stamp(split.folder(out), settings)
    data = simulator.record(seed, path.stem, settings)
    write_recording(path, data)
    return Finished(path, data.actions[-1].end_s, time.monotonic() - start)


_simulators: dict[bool, object] = {}


def _simulator(draw: bool):
    """This process's simulator, compiled once."""
    if draw not in _simulators:
        _simulators[draw] = make_simulator(draw)
    return _simulators[draw]


def make_simulator(draw: bool):
    """A compiled simulator; raises M2R2Error where MuJoCo or its GL library is missing."""
    return import_simulator()(draw)


def import_simulator():
    """The simulator's class; raises M2R2Error where MuJoCo or its GL library is missing.

    Before this call nothing else may import MuJoCo.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        from m2r2_ros.simulation.record import Simulator
    except ModuleNotFoundError as error:
        raise M2R2Error(
            f"the simulator needs the Python package '{error.name}': pip install 'm2r2_ros[sim]'"
        ) from error
    except (ImportError, AttributeError, RuntimeError) as error:
        # MuJoCo loads its GL back end on import, and each fails in its own way.
        raise M2R2Error(
            f"MuJoCo cannot load its GL library ({error}): on Debian and Ubuntu "
            "`apt install libegl1 libgl1-mesa-dri`"
        ) from error
    return Simulator
