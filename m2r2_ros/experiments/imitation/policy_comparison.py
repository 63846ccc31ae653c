# SPDX-License-Identifier: Apache-2.0
"""Encoders side by side: the same demonstrations, policies of one kind, the same episodes.

demonstrations/<task>/      a file a demonstration
<encoder>/<task>/           run folder of the policy that sees by this encoder
<encoder>/<task>/episodes/  a file an episode, with its outcome
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, median
from typing import Any

import yaml
from torch import Tensor

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.imitation.behaviour_cloning import clone
from m2r2_ros.experiments.imitation.demonstrations import Demonstration, collect_demonstrations
from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings
from m2r2_ros.experiments.imitation.rollouts import Outcome, outcomes
from m2r2_ros.experiments.imitation.vision import BLIND, FROZEN, TRAINED, PolicyEncoder, open_vision
from m2r2_ros.experiments.paper_figures import CLIP_SUCCESS, published_success
from m2r2_ros.networks.roboact.frames import frame_encoder
from m2r2_ros.simulation.generate import import_simulator
from m2r2_ros.training.roboact.frame_graph import write_frame_graph
from m2r2_ros.training.roboact.text_encoder import text_encoder
from m2r2_ros.training.roboact.trained import read_run
from m2r2_ros.training.run import BEST_FILE, SETTINGS_FILE, best_weights, read_settings
from m2r2_ros.training.settings import settings_to_dict

# The settings that demonstrations depend on, and those of a task.
_DEMONSTRATION_SETTINGS = ("seed", "arrangement", "cameras", "rate_hz")
_DEMONSTRATION_TASK = ("parts", "spread_m", "spread_rad", "bump_n")


@dataclass(frozen=True)
class Candidate:
    """An encoder with its `fingerprint`; `published`: the paper's overall success [%], if any."""

    encoder: PolicyEncoder
    fingerprint: str
    published: float | None


@dataclass(frozen=True)
class Comparison:
    """The plan that all candidates share."""

    out: Path
    settings: ImitationSettings
    tasks: Sequence[str]
    episodes: int
    workers: int


def compare(plan: Comparison, runs: Sequence[Path]) -> dict[str, Any]:
    """Success of policies that see by each of `runs`, by their frozen frame encoder alone, and
    without a camera; JSON-ready. Only missing results are computed.

    Raises M2R2Error when the runs do not share one frozen frame encoder or were not trained on the
    cameras of the settings, or `plan.out` holds the results of other settings.
    """
    # Late: MuJoCo reads the environment on import.
    import_simulator()
    from m2r2_ros.experiments.imitation.tasks import make_task

    sentences = {name: make_task(name, plan.settings).sentences() for name in plan.tasks}
    clip, fingerprint = _shared_clip(runs)
    frames, texts = frame_encoder(clip), text_encoder(clip)
    if frames.fingerprint() != fingerprint:
        raise M2R2Error(f"{runs[0]}: was trained on another '{clip}' than the one there is now")
    graph = plan.out / "demonstrations" / "frame.onnx"
    candidates = _candidates(runs, fingerprint, plan.settings.cameras)
    tasks: dict[str, Any] = {}
    for name in plan.tasks:
        folder = plan.out / "demonstrations" / name
        _claim(
            folder, _demonstration_settings(name, plan.settings) | {"frame_encoder": fingerprint}
        )
        write_frame_graph(frames, graph)
        found = collect_demonstrations(name, plan.settings, graph, folder, plan.workers)
        instructions = texts(sentences[name])
        tasks[name] = {
            "demonstrations": {"shown": plan.settings.demonstrations, "successful": len(found)},
            "policies": {
                each.encoder.name: _scored(plan, name, each, graph, found, instructions)
                for each in candidates
            },
        }
    return {
        "settings": settings_to_dict(plan.settings),
        "episodes": plan.episodes,
        "tasks": tasks,
        "overall": {each.encoder.name: _overall(each, tasks) for each in candidates},
    }


def _scored(
    plan: Comparison,
    task: str,
    candidate: Candidate,
    graph: Path,
    demonstrations: Sequence[Demonstration],
    instructions: Tensor,
) -> dict[str, Any]:
    """Train a candidate's policy, let it play, and sum up."""
    encoder, settings = candidate.encoder, plan.settings
    folder = plan.out / encoder.name / task
    stored = {
        "kind": "policy",
        "task": task,
        "sees": [encoder.kind, candidate.fingerprint],
        "settings": settings_to_dict(settings),
    }
    vision = open_vision(encoder, settings)
    clone(folder, stored, demonstrations, vision, instructions, settings)
    return summary(outcomes(task, plan.episodes, settings, graph, encoder, folder, plan.workers))


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Success in percent with its 95 % interval, overall and by part; the mean time [s] of a
    success; and the median of the least distance [m] of the hand, or its part, from the goal."""
    parts = sorted({outcome.part for outcome in outcomes})
    successes = [outcome for outcome in outcomes if outcome.success]
    by_part = {
        part: 100 * fmean(outcome.success for outcome in outcomes if outcome.part == part)
        for part in parts
    }
    return {
        "episodes": len(outcomes),
        "success": 100 * len(successes) / len(outcomes),
        "interval": wilson_interval(len(successes), len(outcomes)),
        "by_part": by_part,
        "seconds": fmean(outcome.seconds for outcome in successes) if successes else None,
        "nearest_m": median(outcome.nearest_m for outcome in outcomes),
    }


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval of a share at 95 %, in percent."""
    share, z = successes / trials, 1.96
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def _overall(candidate: Candidate, tasks: dict[str, Any]) -> dict[str, float | None]:
    found = [task["policies"][candidate.encoder.name]["success"] for task in tasks.values()]
    return {"success": fmean(found), "paper": candidate.published}


def _shared_clip(runs: Sequence[Path]) -> tuple[str, str]:
    """Name and fingerprint of the frozen frame encoder that all runs share."""
    found = []
    for run in runs:
        stored, settings = read_run(run)
        found.append((settings.clip, str(stored.get("frame_encoder"))))
        if found[-1] != found[0]:
            raise M2R2Error(f"{run}: was trained on another frozen encoder than {runs[0]}")
    return found[0]


def _candidates(runs: Sequence[Path], fingerprint: str, cameras: Sequence[str]) -> list[Candidate]:
    found = []
    for run in runs:
        learned = read_run(run)[1]
        if not set(cameras) <= set(learned.cameras):
            raise M2R2Error(
                f"{run}: was trained on pictures of {', '.join(learned.cameras)}, not of "
                f"{', '.join(cameras)}, which the settings' `cameras` name for the policies"
            )
        best_weights(run)
        digest = hashlib.sha256((run / BEST_FILE).read_bytes()).hexdigest()
        published = published_success(learned.model)
        found.append(Candidate(PolicyEncoder(run_name(run), TRAINED, run), digest, published))
    found.append(Candidate(PolicyEncoder("frozen frames", FROZEN), fingerprint, CLIP_SUCCESS))
    found.append(Candidate(PolicyEncoder("no camera", BLIND), "", None))
    names = [each.encoder.name for each in found]
    for name in (*names, "demonstrations"):
        if [*names, "demonstrations"].count(name) > 1:
            raise M2R2Error(f"two runs cannot both be called '{name}': rename a folder")
    return found


def run_name(run: Path) -> str:
    """Of a folder; "ablation1-seed0" for ablation1/seed0, as `m2r2 reproduce` calls folders."""
    place = run.resolve()
    seeded = re.fullmatch(r"seed\d+", place.name)
    return f"{place.parent.name}-{place.name}" if seeded else place.name


def _demonstration_settings(task: str, settings: ImitationSettings) -> dict[str, Any]:
    """The settings that demonstrations of a task depend on."""
    values = settings_to_dict(settings)
    own = {name: values[task][name] for name in _DEMONSTRATION_TASK}
    return {name: values[name] for name in _DEMONSTRATION_SETTINGS} | {"task": own}


def _claim(folder: Path, stored: dict[str, Any]) -> None:
    """Note what the folder's demonstrations were made with, or check that it is the same."""
    file = folder / SETTINGS_FILE
    if not file.exists():
        with partial_file(file) as partial:
            partial.write_text(yaml.safe_dump(stored, sort_keys=False), encoding="utf-8")
    elif read_settings(folder) != stored:
        raise M2R2Error(f"{folder} holds demonstrations of other settings: choose another folder")
