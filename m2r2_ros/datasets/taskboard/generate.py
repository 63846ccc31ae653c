# SPDX-License-Identifier: Apache-2.0
"""A folder of recordings, a seed each: in parallel, resumable, never half-written.

Nothing here imports MuJoCo: it is imported in the worker processes, after their environment
(GL back end, one BLAS thread) is set.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

from m2r2_ros.errors import M2R2Error

from .settings import RecordingSettings

RECIPE = "recipe.json"
_RECIPE_VERSION = 1
_WORKER_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Finished:
    """One recording that was written: how long it lasts and how long that took."""

    path: Path
    duration_s: float
    wall_s: float


def recording_name(seed: int) -> str:
    return f"taskboard-{seed:06d}"


def pending_seeds(out: Path, recordings: int, first_seed: int) -> list[int]:
    """Seeds of the data set that have no file yet."""
    seeds = range(first_seed, first_seed + recordings)
    return [seed for seed in seeds if not _path(out, seed).exists()]


def generate(
    out: Path, recordings: int, first_seed: int, settings: RecordingSettings, workers: int
) -> Iterator[Finished]:
    """Write what is missing of the recordings `first_seed` and on, yielding each as it is done.

    A folder holds recordings of one recipe: raises M2R2Error if its recipe differs, and where
    MuJoCo or a GL library is missing (then nothing is written).
    """
    pending = pending_seeds(out, recordings, first_seed)
    known = _check_recipe(out, settings)
    if not pending:
        return
    os.environ.update(_WORKER_ENVIRONMENT)
    os.environ.setdefault("MUJOCO_GL", "egl")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _leave_interrupts_to_parent) as pool:
        try:
            pool.submit(_prepare, settings).result()
            if not known:
                out.mkdir(parents=True, exist_ok=True)
                (out / RECIPE).write_text(json.dumps(_recipe(settings), indent=2) + "\n")
            jobs = [pool.submit(_write_one, _path(out, seed), seed, settings) for seed in pending]
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool as error:
            raise M2R2Error(
                "a worker process died (out of memory?): run the same command again to go on"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.terminate()


def _leave_interrupts_to_parent() -> None:
    """In a worker: Ctrl-C is the parent's; its SIGTERM unwinds, so that partial files go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def _path(out: Path, seed: int) -> Path:
    return out / f"{recording_name(seed)}.h5"


def _recipe(settings: RecordingSettings) -> dict:
    return {"version": _RECIPE_VERSION, **asdict(settings), "cameras": list(settings.cameras)}


def _check_recipe(out: Path, settings: RecordingSettings) -> bool:
    """Whether the folder has this recipe already; M2R2Error if it has another."""
    path = out / RECIPE
    if not path.exists():
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise M2R2Error(f"{path} is not JSON ({error}): delete it or use another folder") from error
    if found != _recipe(settings):
        raise M2R2Error(f"{out} holds recordings of another recipe ({path}): use another folder")
    return True


def _prepare(settings: RecordingSettings) -> None:
    """Compile the simulator, so that what is missing shows before anything is written."""
    _simulator(settings)


def _write_one(path: Path, seed: int, settings: RecordingSettings) -> Finished:
    from m2r2_ros.datasets.reassemble_writer import write_recording

    start = time.monotonic()
    data = _simulator(settings).record(seed, path.stem)
    write_recording(path, data)
    return Finished(path, data.actions[-1].end_s, time.monotonic() - start)


_simulators: dict[RecordingSettings, object] = {}


def _simulator(settings: RecordingSettings):
    """This process's simulator, compiled once."""
    if settings not in _simulators:
        _simulators[settings] = _make_simulator(settings)
    return _simulators[settings]


def _make_simulator(settings: RecordingSettings):
    try:
        from .record import Simulator
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
    return Simulator(settings)
