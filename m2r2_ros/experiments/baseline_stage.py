# SPDX-License-Identifier: Apache-2.0
"""The stages of the baselines: signals are read once, one parameter is tuned, labels are predicted.

features/signals/               rows of wrench and position in the MS-TCN layout
features/signals/wrench/        the wrench as often as an encoder gets it
heads/<baseline>.json           what was tuned
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.feature_vocabulary import folder_vocabulary
from m2r2_ros.datasets.mstcn import FeatureFolder, write_recording_features
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.predictions import Prediction
from m2r2_ros.experiments.baselines.baseline_signals import (
    BaselineSignals,
    read_signals,
    read_wrench,
)
from m2r2_ros.experiments.baselines.labelling import label_by_overlap
from m2r2_ros.experiments.baselines.methods import BASELINES, Segmentation
from m2r2_ros.parallel.progress import Progress

# The name of their features.
SIGNALS = "signals"


class BaselineStage:
    """Raises M2R2Error where the folder of results holds scores of an earlier BOCPD."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._tuned: dict[str, Segmentation] = {}
        scores = out / "scores" / f"{SIGNALS}-bocpd"
        if scores.exists() and not (self.folder / "wrench").exists():
            raise M2R2Error(
                f"{scores}: was made of a mean of the wrench over each frame: delete it, or choose "
                "another --out"
            )

    @property
    def folder(self) -> Path:
        """Where the signals are."""
        return self._out / "features" / SIGNALS

    def read(self, recordings: Mapping[str, Path]) -> None:
        """Read the signals of the recordings that are not there yet."""
        missing = [name for name in recordings if not self._is_there(name)]
        for name in Progress(missing, "wrench and position"):
            signals = read_signals(recordings[name])
            signals.write_wrench(self._wrench(name))
            write_recording_features(self.folder, name, signals.rows, signals.labels)

    def predict(
        self, baseline: str, names: Iterable[str], validation: Sequence[str]
    ) -> Iterator[Prediction]:
        """Labels by overlap; tuned on the validation recordings, once for all splits."""
        if baseline not in self._tuned:
            self._tuned[baseline], parameters = BASELINES[baseline](
                [self._signals(name) for name in validation]
            )
            self._remember(baseline, parameters)
        folder = FeatureFolder(self.folder)
        idle = folder_vocabulary(folder).vocabulary.idle
        for name in Progress(list(names), baseline):
            signals = self._signals(name)
            labels = label_by_overlap(self._tuned[baseline](signals), signals.labels)
            yield Prediction(name, labels, signals.labels, classes=tuple(folder.labels), idle=idle)

    def _signals(self, name: str) -> BaselineSignals:
        recording = FeatureFolder(self.folder).read(name)
        wrench, frames = read_wrench(self._wrench(name))
        return BaselineSignals(np.asarray(recording.features), wrench, frames, recording.labels)

    def _wrench(self, name: str) -> Path:
        return self.folder / "wrench" / f"{name}.npz"

    def _is_there(self, name: str) -> bool:
        files = (f"features/{name}.npy", f"groundTruth/{name}.txt", f"wrench/{name}.npz")
        return all((self.folder / file).is_file() for file in files)

    def _remember(self, baseline: str, parameters: Mapping[str, Any]) -> None:
        with partial_file(self._out / "heads" / f"{baseline}.json") as temporary:
            temporary.write_text(json.dumps(parameters, indent=1) + "\n", encoding="utf-8")
