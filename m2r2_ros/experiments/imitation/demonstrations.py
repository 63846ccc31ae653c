# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the scripted operator: a file each, made in several processes, resumable.

Pictures are kept as embeddings of the frozen frame encoder, which all encoders share.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings
from m2r2_ros.inference.array_table import read_arrays
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.session import open_session
from m2r2_ros.parallel.processes import in_processes
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.simulation.generate import import_simulator

# What is in a demonstration's file, and how much it may be.
_ARRAYS = {"about": "U", "rows": "f", "proprioception": "f", "set_points": "f"}
_MAX_BYTES = 2**28

_RETREAT_M = 0.05
# The skill in which the operator moves freely, and how long a push lasts that bumps it then.
_FREE, _BUMP_S = "Approach", 0.4


@dataclass(frozen=True)
class Demonstration:
    """One episode of T observations, an even time apart.

    `rows` float16 (T, C, d): F_i of each camera's picture; `proprioception` float32 (T, P) and
    `set_points` float64 (T, S) as in `episodes.Observation`; `instruction`: the index
    of the part, and so of the sentence, in the task's settings.
    """

    rows: np.ndarray
    proprioception: np.ndarray
    set_points: np.ndarray
    instruction: int


@dataclass(frozen=True)
class DemonstrationJob:
    """Demonstration `index` of a task, written to `path`; `graph` embeds its pictures."""

    task: str
    index: int
    settings: ImitationSettings
    graph: Path
    path: Path


def collect_demonstrations(
    task: str, settings: ImitationSettings, graph: Path, folder: Path, workers: int
) -> list[Demonstration]:
    """The demonstrations in which the operator succeeded; `folder` keeps all that are made.

    Raises M2R2Error when a file cannot be read, or none succeeded.
    """
    paths = [folder / f"{index:04}.npz" for index in range(settings.demonstrations)]
    missing = [
        DemonstrationJob(task, index, settings, graph, path)
        for index, path in enumerate(paths)
        if not path.exists()
    ]
    done = in_processes(demonstrate, missing, workers)
    title = f"{task}: demonstrations"
    for _ in Progress(done, title, len(paths), initial=len(paths) - len(missing)):
        pass
    found = [found for path in paths if (found := read_demonstration(path)) is not None]
    if len(found) < 2:
        raise M2R2Error(f"{folder}: the operator succeeded in {len(found)} of {len(paths)}")
    return found


def read_demonstration(path: Path) -> Demonstration | None:
    """None for one in which the operator failed. Raises M2R2Error when it cannot be read."""
    try:
        arrays = read_arrays(path, _ARRAYS, _MAX_BYTES)
        about = json.loads(str(arrays.pop("about")))
        found = Demonstration(**arrays, instruction=int(about["told"]))
        return found if about["success"] else None
    except (M2R2Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise M2R2Error(f"{path}: is no demonstration: {error}; delete it") from error


def demonstrate(job: DemonstrationJob) -> None:
    """Let the operator do the task, and write the observations."""
    # Late: MuJoCo reads the environment on import.
    import_simulator()
    from m2r2_ros.experiments.imitation.episodes import DEMONSTRATION
    from m2r2_ros.experiments.imitation.tasks import make_task

    task, embed = make_task(job.task, job.settings), open_frames(job.graph)
    recorder = DemonstrationRecorder(task.settings.bump_n, 1 / job.settings.rate_hz, job.index)
    episode = open_environment(job.settings, True).begin(task, DEMONSTRATION, job.index, recorder)
    recorder.begin(episode)
    success = task.demonstrate(episode.scene)
    if success:
        # Rises further, so that a policy which stops a little early still clears the goal.
        episode.scene.operator.retreat(_RETREAT_M)
    instruction = task.settings.parts.index(episode.scene.thing.name)
    about = {"success": success, "told": instruction}
    observed = recorder.observations
    with partial_file(job.path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            rows=np.stack([embed(seen.pictures) for seen in observed]),
            proprioception=np.stack([seen.proprioception for seen in observed]),
            set_points=np.stack([seen.set_point for seen in observed]),
            about=np.array(json.dumps(about)),
        )


class DemonstrationRecorder:
    """Called after every physics step: looks at the scene once a period, and bumps the hand.

    Bumps come while the operator moves freely: a steady push from one side after the other, of up
    to `bump_n`, which it gives way to and comes back from.
    """

    def __init__(self, bump_n: float, period_s: float, seed: int):
        self.observations: list = []
        self._bump_n, self._period_s = bump_n, period_s
        self._random, self._episode = np.random.default_rng(seed), None

    def begin(self, episode) -> None:
        """Record from now on; the first observation is of this moment."""
        self._episode, self.start_s = episode, episode.scene.rig.time_s
        self._push, self._pushed_s = np.zeros(2), self.start_s
        self._hand = episode.scene.rig.cell.model.body("panda/hand").id
        self.observations.append(episode.observe())

    def __call__(self, rig) -> None:
        if self._episode is None:
            return
        if rig.time_s > self.start_s + len(self.observations) * self._period_s - 1e-6:
            self.observations.append(self._episode.observe())
        rig.cell.data.xfrc_applied[self._hand, :2] = self._bump(rig)

    def _bump(self, rig) -> np.ndarray:
        skills = rig.journal.attempts[-1].skills if rig.journal.attempts else []
        if not skills or skills[-1][1] != _FREE:
            return np.zeros(2)
        if rig.time_s > self._pushed_s + _BUMP_S:
            angle = self._random.uniform(0, 2 * np.pi)
            strength = self._bump_n * self._random.uniform()
            self._push = strength * np.array([np.cos(angle), np.sin(angle)])
            self._pushed_s = rig.time_s
        return self._push


@lru_cache(maxsize=2)
def open_environment(settings: ImitationSettings, draw: bool):
    """This process's environment, compiled once."""
    import_simulator()
    from m2r2_ros.experiments.imitation.episodes import Environment

    return Environment(settings, draw)


@lru_cache(maxsize=1)
def open_frames(graph: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Pictures uint8 (C, H, W, 3) -> float16 (C, d), as a graph of `write_frame_graph` does."""
    session = open_session(read_model(graph), threads=1)
    return lambda pictures: session.run(None, {"image": pictures})[0].astype(np.float16)
