# SPDX-License-Identifier: Apache-2.0
"""One way in one fold: models of the other groups, scored on those that are held out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.frame_times import segments_from_frames
from m2r2_ros.evaluation.predictions import Prediction, score_predictions
from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.experiments.head_predictions import open_head, predict
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.learning.costs import Costs
from m2r2_ros.learning.outcome import Fold, HeldOut, Trial
from m2r2_ros.learning.plan import encoder_settings, head_settings, kept_to_choose
from m2r2_ros.learning.stages import (
    HeadChoices,
    Workshop,
    make_encoder,
    make_features,
    make_head,
)
from m2r2_ros.parallel.progress import as_part
from m2r2_ros.training.run import cost, last_metrics
from m2r2_ros.vocabulary import UNLABELLED

# Written last: a trial that has it is not done again.
TRIAL_FILE = "trial.json"


@dataclass(frozen=True)
class TrialJob:
    """What one process is told."""

    shop: Workshop
    fold: Fold
    costs: Costs
    threads: int

    @property
    def training(self) -> list[str]:
        """Names of the recordings that are not held out."""
        return [name for name in self.shop.study.recordings if name not in self.fold.recordings]

    @property
    def file(self) -> Path:
        """What is there when it is done."""
        return self.shop.folder / TRIAL_FILE

    @property
    def seconds(self) -> tuple[float, float, float]:
        """What encoder, features and head cost."""
        facts, way = self.shop.study.facts, self.shop.way
        train = sum(facts.minutes[name] for name in self.training)
        held = sum(facts.minutes[name] for name in self.fold.recordings)
        actions = sum(count for count, _ in facts.labels.values()) * train / (train + held)
        epochs = encoder_settings(self.shop.study.layout, facts.labels, way).optimiser.epochs
        return (
            self.costs.encoder(way, epochs, round(actions)),
            self.costs.reading(held),
            self.costs.head(head_settings(), train, len(self.training)),
        )


def run_trial(job: TrialJob) -> tuple[Trial, HeadChoices]:
    """Do what is left of it. Raises M2R2Error."""
    if job.file.exists():
        return read_trial(job.file)
    torch.set_num_threads(job.threads)
    began, shop, training = time.monotonic(), job.shop, job.training
    encoder, features, head = (part / sum(job.seconds) for part in job.seconds)
    kept = kept_to_choose(shop.groups, training)
    with as_part(0.0, encoder):
        epochs = make_encoder(shop, training, kept)
    with as_part(encoder, features):
        make_features(shop, training, job.fold.recordings)
    with as_part(encoder + features, head):
        choices = make_head(shop, training, kept)
    predictions = held_out_predictions(job)
    metrics = last_metrics(shop.folder / "head")
    trial = Trial(
        way=shop.way,
        fold=job.fold.name,
        inside=float(metrics["validation/f1@50"]),
        cost=cost(metrics),
        epochs=(epochs, int(metrics["epoch"]) + 1),
        scores=score_predictions(predictions),
        recordings=tuple(map(_held_out, predictions)),
        seconds=time.monotonic() - began,
    )
    with partial_file(job.file) as temporary:
        content = {"trial": asdict(trial), "choices": asdict(choices)}
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return trial, choices


def read_trial(path: Path) -> tuple[Trial, HeadChoices]:
    """What `run_trial` has written. Raises M2R2Error."""
    try:
        content = json.loads(path.read_text("utf-8"))
        trial, choices = content["trial"], content["choices"]
        trial |= {
            "epochs": tuple(trial["epochs"]),
            "recordings": tuple(map(_read_held_out, trial["recordings"])),
        }
        choices |= {"tracker": TrackerConfig(**choices["tracker"])}
        return Trial(**trial), HeadChoices(**choices)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise M2R2Error(f"{path}: cannot be read: remove it, it is made anew") from error


def held_out_predictions(job: TrialJob) -> list[Prediction]:
    """What the fold's models would have published of the recordings that they have not seen."""
    shop = job.shop
    head, folder = open_head(shop.models), FeatureFolder(shop.features)
    names, idle = job.fold.recordings, shop.study.vocabulary.idle
    return list(predict(head, folder, names, shop.rate, idle))


def _held_out(prediction: Prediction) -> HeldOut:
    truth = segments_from_frames(prediction.truth, prediction.edges)
    return HeldOut(
        recording=prediction.name,
        scores=score_predictions([prediction]),
        truth=tuple(one for one in truth if one.label != UNLABELLED),
        published=tuple(segments_from_frames(prediction.labels, prediction.edges)),
    )


def _read_held_out(content: Mapping[str, Any]) -> HeldOut:
    segments = {part: tuple(Segment(*one) for one in content[part]) for part in _SEGMENTS}
    return HeldOut(content["recording"], content["scores"], **segments)


_SEGMENTS = ("truth", "published")
