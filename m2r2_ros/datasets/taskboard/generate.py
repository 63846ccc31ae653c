# SPDX-License-Identifier: Apache-2.0
"""A folder of recordings, a seed each: in parallel, resumable, never half-written.

Nothing here imports MuJoCo: it is imported in the worker processes, after their environment
(GL back end, one BLAS thread) is set.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
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

    A folder holds recordings of one recipe: raises M2R2Error if its recipe differs.
    """
    out.mkdir(parents=True, exist_ok=True)
    _check_recipe(out, settings)
    os.environ.update(_WORKER_ENVIRONMENT)
    os.environ.setdefault("MUJOCO_GL", "egl")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [
            pool.submit(_write_one, _path(out, seed), seed, settings)
            for seed in pending_seeds(out, recordings, first_seed)
        ]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _path(out: Path, seed: int) -> Path:
    return out / f"{recording_name(seed)}.h5"


def _check_recipe(out: Path, settings: RecordingSettings) -> None:
    recipe = {"version": _RECIPE_VERSION, **asdict(settings), "cameras": list(settings.cameras)}
    path = out / RECIPE
    if not path.exists():
        path.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise M2R2Error(f"{path} is not JSON ({error}): delete it or use another folder") from error
    if found != recipe:
        raise M2R2Error(f"{out} holds recordings of another recipe ({path}): use another folder")


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
