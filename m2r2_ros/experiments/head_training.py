# SPDX-License-Identifier: Apache-2.0
"""A head on a folder of features: trained on some recordings, or once without each group."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.groups import Groups
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.predictions import Prediction, score_predictions
from m2r2_ros.experiments.head_predictions import open_head, predict
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.training.head_registry import find_head
from m2r2_ros.training.sequences import read_sequences, unlearned
from m2r2_ros.training.validation import NONE, with_validation
from m2r2_ros.vocabulary import Vocabulary

SCORES_FILE = "scores.json"
_DRAWS = 10_000

Scores = Mapping[str, float | None]


@dataclass(frozen=True)
class HeadTraining:
    """What is trained, on what, in which way.

    `validation` names groups for it, none: the settings say; `say` is told what is to be known.
    """

    head: str
    folder: FeatureFolder
    groups: Groups
    vocabulary: Vocabulary
    level: str
    rate: FrameRate
    settings: Any
    validation: Sequence[str]
    say: Callable[[str], None]

    def train(self, names: Sequence[str], out: Path) -> str:
        """Train on these recordings into a run folder; returns the head's report.

        Raises M2R2Error.
        """
        settings, said = with_validation(self.settings, self.groups, names, self.validation)
        self.say(said)
        about = self.vocabulary, self.level, self.rate
        sequences, learned = read_sequences(self.folder, names, *about)
        for line in (self.folder.cropped_report, unlearned(sequences, learned)):
            self.say(line)
        place = out, settings, self.folder.path, self.rate
        return find_head(self.head).train(self.head, sequences, learned, *place)

    def folds(self, out: Path) -> dict[str, Any]:
        """Leave each group out once: train in OUT/GROUP without it, score there, and write both.

        Returns what OUT/scores.json holds: "pooled", scores of all recordings at once, "spread"
        over the folds, "folds", and "left_out": the recordings of each. What is done stays done.
        Raises M2R2Error on too few groups: one is learned, one tested, one is for validation.
        """
        names = list(self.groups.of)
        members = self.groups.members(names)
        validated = self.settings.validation and list(self.validation) != [NONE]
        if len(members) < (3 if validated else 2):
            raise M2R2Error(
                f"{self.folder.path}: {len(members)} groups: --folds takes three at least, to "
                "train, to validate and to test on; two with --validation 0"
            )
        self.say(self.groups.assumed)
        predictions = {}
        for group, tested in Progress(members.items(), "folds", unit="group"):
            self.train([name for name in names if name not in tested], out / group)
            predictions[group] = self.predictions(tested, out / group)
            write_json(out / group / SCORES_FILE, score_predictions(predictions[group]))
        folds = {group: score_predictions(found) for group, found in predictions.items()}
        pooled = score_predictions([one for found in predictions.values() for one in found])
        content = {
            "pooled": pooled,
            "spread": spread(list(folds.values())),
            "folds": folds,
            "left_out": members,
        }
        write_json(out / SCORES_FILE, content)
        return content

    def predictions(self, names: Sequence[str], model: Path) -> list[Prediction]:
        """What the head in a run folder says of recordings, in the level of the training."""
        rename = self.vocabulary.levels[self.level]
        found = predict(open_head(model), self.folder, names, self.rate, self.vocabulary.idle)
        # Probabilities are not scored here, and those of all folds are large.
        return [
            replace(part, probabilities=None).renamed(rename)
            for prediction in found
            for part in prediction.labelled_parts()
        ]


def spread(folds: Sequence[Scores]) -> dict[str, dict[str, float]]:
    """Score -> its mean over folds, their standard deviation, and the mean's 95 % interval.

    By the bootstrap over folds; a score that some lack is absent.
    """
    drawn = np.random.default_rng(0).integers(len(folds), size=(_DRAWS, len(folds)))
    found = {}
    for score in folds[0]:
        values = [each.get(score) for each in folds]
        if None not in values:
            column = np.array(values, float)
            low, high = np.quantile(column[drawn].mean(1), (0.025, 0.975))
            deviation = float(column.std(ddof=1)) if len(folds) > 1 else 0.0
            between = {"low": float(low), "high": float(high)}
            found[score] = {"mean": float(column.mean()), "std": deviation, **between}
    return found


def write_json(path: Path, content: Any) -> None:
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
