# SPDX-License-Identifier: Apache-2.0
"""Policies at work in the simulator: the same episodes for every one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.imitation.behaviour_cloning import load_policy
from m2r2_ros.experiments.imitation.demonstrations import open_environment, open_frames
from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings
from m2r2_ros.experiments.imitation.vision import BLIND, PolicyEncoder, open_vision
from m2r2_ros.parallel.processes import in_processes
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.simulation.generate import import_simulator


@dataclass(frozen=True)
class Outcome:
    """One episode: whether the physics says that the task was done, after how many seconds, and the
    least distance [m] of the hand, or of the part in it, from the goal."""

    index: int
    part: str
    success: bool
    seconds: float
    nearest_m: float


@dataclass(frozen=True)
class RolloutJob:
    """One episode of a task for the policy of the run in `policy`, whose outcome goes to `path`."""

    task: str
    index: int
    settings: ImitationSettings
    graph: Path
    encoder: PolicyEncoder
    policy: Path
    path: Path


def outcomes(
    task: str,
    episodes: int,
    settings: ImitationSettings,
    graph: Path,
    encoder: PolicyEncoder,
    policy: Path,
    workers: int,
) -> list[Outcome]:
    """Of the first `episodes` test episodes; those in `policy`/episodes are not played again.

    `policy` is the run folder of a policy that sees by `encoder`. Raises M2R2Error when an outcome
    cannot be read.
    """
    paths = [policy / "episodes" / f"{index:04}.json" for index in range(episodes)]
    missing = [
        RolloutJob(task, index, settings, graph, encoder, policy, path)
        for index, path in enumerate(paths)
        if not path.exists()
    ]
    done, title = in_processes(play, missing, workers), f"{task}: {encoder.name}"
    for _ in Progress(done, title, len(paths), initial=len(paths) - len(missing)):
        pass
    return [read_outcome(path) for path in paths]


def read_outcome(path: Path) -> Outcome:
    """Raises M2R2Error when the file cannot be read."""
    try:
        return Outcome(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise M2R2Error(f"{path}: is no outcome of an episode: {error}; delete it") from error


def play(job: RolloutJob) -> None:
    """Play one episode and write its outcome."""
    torch.set_num_threads(1)
    outcome = rollout(job)
    with partial_file(job.path) as partial:
        partial.write_text(json.dumps(asdict(outcome)) + "\n", encoding="utf-8")


def rollout(job: RolloutJob) -> Outcome:
    """Look, plan, follow the first set-points of the plan, and look again, until done or late."""
    # Late: MuJoCo reads the environment on import.
    import_simulator()
    from m2r2_ros.experiments.imitation.episodes import TEST
    from m2r2_ros.experiments.imitation.tasks import make_task

    settings, task = job.settings, make_task(job.task, job.settings)
    policy, vision = _open_policy(job.policy, settings), _open_vision(job.encoder, settings)
    sees = job.encoder.kind != BLIND
    embed = open_frames(job.graph)
    episode = open_environment(settings, sees).begin(task, TEST, job.index)
    scene, part = episode.scene, episode.scene.thing.name
    instruction = task.settings.parts.index(part)
    rows: list[np.ndarray] = []
    plan: Sequence[np.ndarray] = ()
    nearest = task.aside_m(scene)
    periods = round(task.settings.limit_s * settings.rate_hz)
    for period in range(periods):
        observation = episode.observe()
        rows.append(embed(observation.pictures) if sees else np.zeros((0, 0), np.float16))
        if not len(plan):
            feature = vision(np.stack(rows), [period])
            plan = policy.plan(feature, instruction, observation.proprioception)
            plan = plan[: settings.network.followed]
        set_point, *plan = plan
        episode.follow(set_point)
        nearest = min(nearest, task.aside_m(scene))
        if task.is_done(scene):
            return Outcome(job.index, part, True, (period + 1) / settings.rate_hz, nearest)
    return Outcome(job.index, part, False, periods / settings.rate_hz, nearest)


# A process plays one policy after the other.
_open_policy = lru_cache(maxsize=1)(load_policy)
_open_vision = lru_cache(maxsize=1)(open_vision)
