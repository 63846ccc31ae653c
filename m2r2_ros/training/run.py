# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: settings, checkpoints, metrics; resumable, no pickle.

settings.yaml           what the run was started with
checkpoint.safetensors  last finished epoch: weights and optimiser
best.safetensors        weights of the best epoch by validation (`cost`)
metrics.jsonl           one line an epoch; also as TensorBoard events in tensorboard/
vocabulary.yaml         of a head: what its labels mean
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.vocabulary_file import (
    VOCABULARY_FILE,
    find_vocabulary,
    write_vocabulary,
)
from m2r2_ros.errors import M2R2Error, differences, nearest_path
from m2r2_ros.training import distributed
from m2r2_ros.training.settings_file import merged
from m2r2_ros.vocabulary import Vocabulary

SETTINGS_FILE = "settings.yaml"
CHECKPOINT_FILE = "checkpoint.safetensors"
BEST_FILE = "best.safetensors"
METRICS_FILE = "metrics.jsonl"
# What a run of a head was that does not say it.
_BEFORE_RATES = asdict(FrameRate())
_OPTIMISER = "optimiser."


def describe_data(names: Sequence[str]) -> str:
    """Recordings in a few words: "3 recordings: a, b, c", or the first and the last of many."""
    shown = list(names) if len(names) <= 3 else [names[0], "...", names[-1]]
    return f"{len(names)} recordings: {', '.join(shown)}"


class TrainingRun:
    """One run's folder; opening an existing one with other settings raises M2R2Error.

    Of several processes that train together only the first writes.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        vocabulary: Vocabulary | None = None,
        before: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """`before` is what a run was that an older version began and that does not say it."""
        self.folder, self._settings, self._vocabulary = folder, settings, vocabulary
        self._writes = distributed.rank() == 0
        self._writer: SummaryWriter | None = None
        if self._writes and (folder / SETTINGS_FILE).exists():
            older = {key: _BEFORE_RATES[key] for key in _BEFORE_RATES if key in settings}
            there = merged(dict(before), older | read_settings(folder))
            differing = differences(there, settings)
            if differing:
                raise M2R2Error(
                    f"{folder} holds a run with other settings ({differing}): choose another folder"
                )
            if vocabulary is not None and find_vocabulary(folder) not in (None, vocabulary):
                said = f"{folder}: its {VOCABULARY_FILE} is not that of the data"
                raise M2R2Error(f"{said}: choose another folder")

    def begin(self) -> None:
        """Write the settings. Data that cannot be read leaves no run that others would meet."""
        if not self._writes or self._writer is not None:
            return
        file = self.folder / SETTINGS_FILE
        if not file.exists():
            with partial_file(file) as partial:
                partial.write_text(yaml.safe_dump(self._settings, sort_keys=False), "utf-8")
        if self._vocabulary is not None:
            write_vocabulary(self.folder, self._vocabulary)
        self._writer = SummaryWriter(str(self.folder / "tensorboard"))

    def resume(self, module: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
        """Begin, or load the checkpoint: the epoch to do next, the lowest cost of those done."""
        self.begin()
        file = self.folder / CHECKPOINT_FILE
        if not file.exists():
            self._keep_metrics(0)
            return 0, float("inf")
        tensors, metadata = _load(file)
        state = {k: v for k, v in tensors.items() if not k.startswith(_OPTIMISER)}
        module.load_state_dict(state)
        optimiser.load_state_dict(_nested(optimiser, tensors))
        epoch = int(metadata["epoch"])
        self._keep_metrics(epoch)
        return epoch, float(metadata["best"])

    def save(
        self,
        epoch: int,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        metrics: dict[str, float],
        best: float,
    ) -> float:
        """Write epoch `epoch` (from 0) with its metrics; returns the lowest cost up to it."""
        metrics = {"epoch": epoch} | metrics
        if not self._writes:
            return min(best, cost(metrics))
        state = {name: value.contiguous() for name, value in module.state_dict().items()}
        if cost(metrics) < best:
            best = cost(metrics)
            _save(self.folder / BEST_FILE, state, {"epoch": str(epoch)})
        progress = {"epoch": str(epoch + 1), "best": repr(best)}
        _save(self.folder / CHECKPOINT_FILE, state | _flat(optimiser), progress)
        self._add_line(json.dumps(metrics))
        for name, value in metrics.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, epoch)
        self._writer.flush()
        return best

    def _add_line(self, line: str) -> None:
        path = self.folder / METRICS_FILE
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:  # That of a full disk names no file.
            raise M2R2Error(f"cannot write {path}: {error.strerror}") from error

    def _keep_metrics(self, epochs: int) -> None:
        """Drop the lines of epochs that were not checkpointed before a kill."""
        if not self._writes:
            return
        file = self.folder / METRICS_FILE
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.write_text("".join(f"{line}\n" for line in lines[:epochs]), encoding="utf-8")


def cost(metrics: Mapping[str, float]) -> float:
    """The best epoch has the lowest: 100 - F1@50 where it was measured, else the loss.

    Few validation recordings often give epochs the same F1@50: among them, the loss decides.
    Without any, the last epoch is taken for the best.
    """
    if "validation/loss" not in metrics:
        return -metrics["epoch"]
    loss = metrics["validation/loss"]
    if "validation/f1@50" not in metrics:
        return loss
    return 100.0 - metrics["validation/f1@50"] + 1e-6 * min(loss, 1e3)


def best_metrics(folder: Path) -> dict[str, float]:
    """The metrics of the epoch whose weights a run has kept; "epoch" counts from 0."""
    lines = (Path(folder) / METRICS_FILE).read_text("utf-8").splitlines()
    return min(map(json.loads, lines), key=cost)


def last_metrics(folder: Path) -> dict[str, float]:
    """The metrics of the last epoch of a run."""
    return json.loads((Path(folder) / METRICS_FILE).read_text("utf-8").splitlines()[-1])


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in `folder`; raises M2R2Error when there is none."""
    file = Path(folder) / SETTINGS_FILE
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        near = nearest_path(file) if isinstance(error, FileNotFoundError) else ""
        raise M2R2Error(
            f"{folder} is no training run: cannot read {SETTINGS_FILE}{near}"
        ) from error
    if not isinstance(settings, dict):
        raise M2R2Error(f"{file} holds no settings")
    return settings


def finished_epochs(folder: Path) -> int:
    """How many epochs of the run in a folder are finished; 0 also where there is no run."""
    file = Path(folder) / CHECKPOINT_FILE
    return int(_load(file)[1]["epoch"]) if file.exists() else 0


def best_weights(folder: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    """The best epoch's weights whose names begin with `prefix`, without it.

    Raises M2R2Error when the run has finished no epoch.
    """
    file = Path(folder) / BEST_FILE
    if not file.exists():
        raise M2R2Error(f"{folder}: no finished epoch yet ({BEST_FILE} is missing)")
    weights = _load(file)[0]
    return {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}


def _load(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
        return load_file(file), metadata
    except (SafetensorError, OSError) as error:
        raise M2R2Error(f"cannot read {file}: {error}") from error


def _save(file: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    with partial_file(file) as partial:
        try:
            save_file(tensors, partial, metadata)
        except SafetensorError as error:  # Also where the disk is full.
            raise M2R2Error(f"cannot write {file}: {error}") from error


def _flat(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{_OPTIMISER}{index}.{name}": value.contiguous()
        for index, entries in optimiser.state_dict()["state"].items()
        for name, value in entries.items()
    }


def _nested(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(_OPTIMISER):
            index, name = key[len(_OPTIMISER) :].split(".")
            state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
