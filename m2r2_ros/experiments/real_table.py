# SPDX-License-Identifier: Apache-2.0
"""Heads on anybody's recordings: the table of the papers' measures, without the papers' rows.

OUT/features/                      of recordings, by the given encoder
OUT/heads/<head>/<labels>/seed<n>/  a run folder of `m2r2 train` for each split, or for each group
OUT/scores/<head>-<labels>-<n>.json a cell of the table
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.groups import Groups, check_split, find_groups
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error, differences
from m2r2_ros.evaluation.predictions import Prediction, score_predictions
from m2r2_ros.experiments.head_training import HeadTraining, write_json
from m2r2_ros.experiments.paper_figures import REAL
from m2r2_ros.experiments.result_table import summarised
from m2r2_ros.experiments.stored_scores import read_stored
from m2r2_ros.inference.models import HEAD_FILE
from m2r2_ros.training.head_registry import find_head
from m2r2_ros.training.settings import settings_from_dict
from m2r2_ros.vocabulary import Vocabulary

_BEGUN_FILE = "real_begun.json"

Scores = Mapping[str, float | None]


class Part(NamedTuple):
    """What is trained on, what is held out, and which recordings belong together."""

    name: str
    train: Sequence[str]
    test: Sequence[str]
    groups: Groups


@dataclass(frozen=True)
class RealTable:
    """What is scored, and where its results are kept.

    `heads` are entries of settings by head; `by_groups`: each group is held out once, whatever the
    folder's splits. Raises M2R2Error when `out` was begun with something else.
    """

    folder: FeatureFolder
    out: Path
    vocabulary: Vocabulary
    rate: FrameRate
    heads: Mapping[str, Mapping[str, Any]]
    by_groups: bool
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        begun = {
            "folder": str(self.folder.path.resolve()),
            "recordings": list(self._names),
            "rate": [self.rate.rate_hz, self.rate.sample_rate],
            "heads": {name: dict(entries) for name, entries in self.heads.items()},
        }
        path = self.out / _BEGUN_FILE
        before = read_stored(path)
        if before is not None and before != begun:
            said = differences(before, begun)
            raise M2R2Error(f"{self.out}: was begun otherwise ({said}): give another --out")
        write_json(path, begun)

    def content(self, rows: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
        """JSON-ready: head -> level -> score -> mean, spread and value of each seed."""
        cells = {
            head: {
                level: summarised([self._scores(head, level, seed) for seed in seeds])
                for level in self.vocabulary.levels
            }
            for head in rows
        }
        facts = {
            "name": self.folder.path.resolve().name,
            "recordings": len(self._names),
            "rate_hz": self.rate.rate_hz,
            "sample_rate": self.rate.sample_rate,
            "labels": list(self.vocabulary.levels),
            "parts": [part.name for part in self._parts()],
            "by_groups": self.by_groups or not self.folder.splits,
            "seeds": list(seeds),
        }
        return {"table": REAL, "data": facts, "rows": cells}

    def _scores(self, head: str, level: str, seed: int) -> Scores:
        """A cell; computed when its file is missing."""
        path = self.out / "scores" / f"{head}-{level}-{seed}.json"
        if (stored := read_stored(path)) is not None:
            return stored
        rename = self.vocabulary.levels[level]
        scores = score_predictions([one.renamed(rename) for one in self._tested(head, level, seed)])
        write_json(path, scores)
        return scores

    def _tested(self, head: str, level: str, seed: int) -> Iterator[Prediction]:
        """Of every recording that is held out, by a head that has not learned from it."""
        method = find_head(head)
        # The robot runs one head: its coarse labels are those of its fine ones.
        learned = "fine" if method.streams else level
        entries = {**self.heads.get(head, {}), "seed": seed}
        settings = settings_from_dict(method.settings, entries, head)
        told = self.vocabulary, learned, self.rate, settings, (), self.say
        for part in self._parts():
            run = self.out / "heads" / head / learned / f"seed{seed}" / part.name
            training = HeadTraining(head, self.folder, part.groups, *told)
            # A head that streams writes it last; the others go on where they were by themselves.
            if not (run / HEAD_FILE).exists():
                training.train(part.train, run)
            yield from training.predictions(part.test, run)

    def _parts(self) -> Iterator[Part]:
        if self.by_groups or not self.folder.splits:
            groups = find_groups(self.folder.path, self._names)
            for group, tested in groups.members(self._names).items():
                train = [name for name in self._names if name not in tested]
                yield Part(group, train, tested, groups)
            return
        for number in self.folder.splits:
            split = self.folder.split(number)
            groups = check_split(self.folder.path, split.train, split.test)
            yield Part(f"split{number}", split.train, split.test, groups)

    @cached_property
    def _names(self) -> Sequence[str]:
        return self.folder.recordings[0]
