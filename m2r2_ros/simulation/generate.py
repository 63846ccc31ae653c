# SPDX-License-Identifier: Apache-2.0
"""A folder of recordings, a seed each: in parallel, resumable, never half-written.

Nothing here imports MuJoCo: it is imported in the worker processes, after their environment
(GL back end, one BLAS thread) is set.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.processes import end_workers, follow_parent, run_piece
from m2r2_ros.simulation.recipe import STAMP, Recipe, RecipeSplit, check_stamp, write_stamp
from m2r2_ros.simulation.recording_settings import RecordingSettings

_WORKER_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Finished:
    """One recording that was written: how long it lasts and how long that took."""

    path: Path
    duration_s: float
    wall_s: float


def pending(out: Path, recipe: Recipe) -> list[tuple[RecipeSplit, int]]:
    """RecipeSplit and seed of every recording that has no file yet."""
    return [
        (split, seed)
        for split in recipe.splits
        for seed in split.seeds
        if not split.path(out, seed).exists()
    ]


def generate(out: Path, recipe: Recipe, workers: int) -> Iterator[Finished]:
    """Write what is missing of a data set, yielding each recording as it is done.

    A folder holds recordings of one kind: raises M2R2Error if it has others, and where MuJoCo or
    a GL library is missing (then nothing is written).
    """
    missing = pending(out, recipe)
    new = [s for s in recipe.splits if not check_stamp(s.folder(out), s.settings)]
    for split in new:
        if any(split.path(out, seed).exists() for seed in split.seeds):
            raise M2R2Error(
                f"{split.folder(out)} has recordings but no {STAMP}: use another folder"
            )
    if not missing:
        return
    os.environ.update(_WORKER_ENVIRONMENT)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, follow_parent) as pool:
        try:
            for draw in {bool(split.settings.cameras) for split, _ in missing}:
                pool.submit(_prepare, draw).result()
            for split in new:
                write_stamp(split.folder(out), split.settings)
            jobs = [
                pool.submit(run_piece, _write_one, split.path(out, seed), seed, split.settings)
                for split, seed in missing
            ]
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool as error:
            raise M2R2Error(
                "a worker process died (out of memory?): run the same command again to go on"
            ) from error
        finally:
            end_workers(pool)


def _write_one(path: Path, seed: int, settings: RecordingSettings) -> Finished:
    from m2r2_ros.datasets.reassemble_writer import write_recording

    start = time.monotonic()
    simulator = _simulator(bool(settings.cameras))
    data = simulator.record(seed, path.stem, settings)
    write_recording(path, data)
    return Finished(path, data.actions[-1].end_s, time.monotonic() - start)


_simulators: dict[bool, object] = {}


def _prepare(draw: bool) -> None:
    """Compile the simulator, so that what is missing shows before anything is written."""
    _simulator(draw)


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
