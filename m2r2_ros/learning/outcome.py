# SPDX-License-Identifier: Apache-2.0
"""What `m2r2 learn` has found: the data, the folds, what each way scores there, and its choice.

All of it is of models that have not seen what they are scored on. MODELS/outcome.json holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.evaluation.segments import Segment

# How an encoder comes about: trained from the start, as --from has it, or trained on from there.
SCRATCH, FROZEN, FINE_TUNED = WAYS = ("scratch", "frozen", "fine-tuned")
OUTCOME_FILE = "outcome.json"
# In a fold's models folder: which recordings and groups it was not trained on.
HELD_OUT_FILE = "held_out.json"

# As `predictions.score_predictions` names them: percent, seconds; None: it cannot be said.
Scores = Mapping[str, float | None]


@dataclass(frozen=True)
class DataFacts:
    """What was learned from.

    minutes      of each recording.
    groups       of each recording; `assumed` says why each is its own, "" where they are stated.
    labels       label -> (how often it occurs, seconds in all); in the order of the vocabulary.
    idle         labels that say that nothing is done.
    unlabelled_s seconds that no confirmed label covers.
    left_out     recording -> why it was not learned from.
    sensors      modalities of the layout, in its order.
    """

    minutes: Mapping[str, float]
    groups: Mapping[str, str]
    assumed: str
    labels: Mapping[str, tuple[int, float]]
    idle: tuple[str, ...]
    unlabelled_s: float
    left_out: Mapping[str, str]
    sensors: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """Groups that are left out at once, and their recordings; models are in MODELS/folds/NAME."""

    name: str
    groups: tuple[str, ...]
    recordings: tuple[str, ...]


@dataclass(frozen=True)
class HeldOut:
    """One recording, as the models say it that have not seen it.

    Segments in seconds from its first frame; what is unlabelled is not among `truth`.
    """

    recording: str
    scores: Scores
    truth: tuple[Segment, ...]
    published: tuple[Segment, ...]


@dataclass(frozen=True)
class Trial:
    """One way in one fold.

    inside    F1@50 of the head on the recordings of the training groups that chose its epoch.
    cost      of the same choice, the lowest is best: 100 - inside, and the loss where that is even.
    epochs    after which encoder (0 where it is not trained) and head were best.
    scores    of the held-out recordings together; `recordings` of each.
    """

    way: str
    fold: str
    inside: float
    cost: float
    epochs: tuple[int, int]
    scores: Scores
    recordings: tuple[HeldOut, ...]
    seconds: float


@dataclass(frozen=True)
class LearningOutcome:
    """All that report and card need.

    fold_rule   how the folds were made, in words.
    ways        way -> why it was tried or not, in words with numbers.
    chosen      the way of the final models, and `reason` in numbers.
    chosen_in   fold -> the way that its training groups alone would have chosen.
    scores      of all held-out recordings at once, each fold by the way chosen in it: the choice
                included, nothing scored was seen. `spread` as `head_training.spread` over folds.
    final_epochs  to which encoder (0 where it is not trained) and head of all recordings were
                trained.
    seconds     that all has taken, over all starts.
    """

    data: str
    models: str
    facts: DataFacts
    fold_rule: str
    folds: tuple[Fold, ...]
    ways: Mapping[str, str]
    trials: tuple[Trial, ...]
    chosen: str
    reason: str
    chosen_in: Mapping[str, str]
    scores: Scores
    spread: Mapping[str, Mapping[str, float]]
    final_epochs: tuple[int, int]
    seconds: float
    started_from: str = ""
    notes: tuple[str, ...] = field(default=())

    def of_way(self, way: str) -> tuple[Trial, ...]:
        """A way's trials, in the order of the folds."""
        return tuple(trial for trial in self.trials if trial.way == way)

    def held_out(self) -> tuple[HeldOut, ...]:
        """Every recording by the way that was chosen in its fold."""
        return tuple(
            one
            for trial in self.trials
            if trial.way == self.chosen_in[trial.fold]
            for one in trial.recordings
        )

    def write(self, path: Path) -> None:
        """As JSON, to appear when it is complete."""
        with partial_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
