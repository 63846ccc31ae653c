# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP against its ablations: stages that leave their files and make only those missing.

runs/<config>/seed<n>/     run folder of `m2r2 pretrain --encoder roboact`; cache/ is shared by all
scores/<config>/seed<n>/   a JSON file a test split, as `m2r2 retrieve` scores it, with probes
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.clips import Clip
from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.ablation_table import (
    ROBOACT,
    VARIANTS,
    ablation_json,
    ablation_markdown,
)
from m2r2_ros.experiments.reproduction import TRAIN, VALIDATION, DataSet
from m2r2_ros.experiments.stored_scores import read_stored
from m2r2_ros.offline.clip_search import find_clips
from m2r2_ros.parallel.spread import Workers
from m2r2_ros.shipped import shipped
from m2r2_ros.training.roboact.embeddings import embed_videos
from m2r2_ros.training.roboact.evaluation import score_run
from m2r2_ros.training.roboact.probes import probe_run
from m2r2_ros.training.roboact.roboact_pretraining import pretrain_roboact, split_clips
from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
from m2r2_ros.training.roboact.trained import load_trained
from m2r2_ros.training.settings import load_settings, settings_to_dict

_RECORDINGS_FILE = "recordings.json"


class RoboActReproduction:
    """One folder of results. Raises M2R2Error when it was begun with other recordings."""

    def __init__(
        self, data: DataSet, out: Path, workers: Workers, configs: Path | None = None
    ) -> None:
        """`configs`: a folder of settings files, by default the ones of the task board."""
        self.data, self.out, self._workers = data, out, workers
        self._configs = configs or shipped("config/training")
        self._check_begun()

    def write_table(self, names: Sequence[str], seeds: Sequence[int]) -> str:
        """Compute the missing results of these rows of VARIANTS; returns the text of roboact.md."""
        scores = {
            split: {
                name: [self.scores(VARIANTS[name], seed, split) for seed in seeds] for name in names
            }
            for split in self.data.test_splits
        }
        recordings = {split: len(found) for split, found in self.data.recordings.items()}
        about = {"name": self.data.path.resolve().name, "recordings": recordings, "seeds": seeds}
        content = ablation_json(about, scores)
        text = ablation_markdown(content)
        _write(self.out / f"{ROBOACT}.json", json.dumps(content, indent=1) + "\n")
        _write(self.out / f"{ROBOACT}.md", text)
        return text

    def scores(self, config: str, seed: int, split: str) -> Mapping[str, Any]:
        """RunScores of a run on a test split; computed when its file is missing."""
        path = self.out / "scores" / config / f"seed{seed}" / f"{split}.json"
        settings = self._settings(config, seed)
        if read_stored(path) is None:
            run = self.out / "runs" / config / f"seed{seed}"
            training = self._clips(settings, TRAIN, VALIDATION)
            print(f"{run}: {len(training)} clips")
            pretrain_roboact(training, run, settings, self._cache, self._workers)
            trained, test = load_trained(run), self._clips(settings, split)
            learned = split_clips(training, settings).training
            videos = list(dict.fromkeys((clip.path, clip.camera) for clip in [*learned, *test]))
            rate_hz, frames = settings.frame_rate_hz, trained.frames
            embedded = embed_videos(videos, frames, rate_hz, self._cache, self._workers)
            scores = score_run(trained, test, embedded)
            scores["probes"] = probe_run(trained, learned, test, embedded)
            scores["settings"] = settings_to_dict(settings)
            _write(path, json.dumps(scores, indent=1) + "\n")
        scores = json.loads(path.read_text("utf-8"))
        if scores.get("settings") != settings_to_dict(settings):
            raise M2R2Error(f"{path}: was begun with other settings: choose another --out")
        return scores

    def _settings(self, config: str, seed: int) -> RoboActSettings:
        """Written beside the runs too, so that each can be trained by hand."""
        path = self.out / "runs" / f"{config}-seed{seed}.yaml"
        entries = {
            "extends": str((self._configs / f"{config}.yaml").resolve()),
            "seed": seed,
            "validation_recordings": list(self.data.names(VALIDATION)),
        }
        _write(path, yaml.safe_dump(entries))
        return load_settings(RoboActSettings, path)

    def _clips(self, settings: RoboActSettings, *splits: str) -> list[Clip]:
        paths = [path for split in splits for path in self.data.recordings[split]]
        return find_clips(paths, settings.cameras)

    @property
    def _cache(self) -> Path:
        return self.out / "cache"

    def _check_begun(self) -> None:
        path = self.out / _RECORDINGS_FILE
        names = {split: list(self.data.names(split)) for split in self.data.recordings}
        if not path.exists():
            _write(path, json.dumps(names, indent=1) + "\n")
        elif read_stored(path) != names:
            raise M2R2Error(f"{path}: was begun with other recordings: choose another --out")


def _write(path: Path, text: str) -> None:
    with partial_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
