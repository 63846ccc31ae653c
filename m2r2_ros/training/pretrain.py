# SPDX-License-Identifier: Apache-2.0
"""Pretraining of the M2R2 extractor (M2R2 III-D, figure 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.fusion import PretrainingHeads
from m2r2_ros.networks.m2r2 import M2R2
from m2r2_ros.training.cache import (
    LabelledWindows,
    PreparedRecording,
    collate,
    prepare_recordings,
)
from m2r2_ros.training.loop import Losses, split_validation, train_epochs
from m2r2_ros.training.losses import action_loss, boundary_loss
from m2r2_ros.training.run import Run, best_weights, describe_data, read_settings
from m2r2_ros.training.sampler import action_spans, sample_window, soft_boundaries
from m2r2_ros.training.sentence_encoder import SentenceEncoder
from m2r2_ros.training.sentences import reordered, sentence
from m2r2_ros.training.settings import (
    PretrainSettings,
    WindowSettings,
    settings_from_dict,
    settings_to_dict,
)
from m2r2_ros.training.statistics import measure_statistics

STATISTICS_FILE = "statistics.json"


@dataclass(frozen=True)
class WindowBatch:
    """B sampled windows of N_w frames.

    prepared    outputs of `M2R2.prepare`, B * N_w rows.
    boundaries  soft boundaries float32 (B, N_w); classes: label index of each frame (B, N_w).
    sentences   description of each window; negatives: of the same actions in other orders.
    """

    prepared: dict[str, Tensor]
    boundaries: Tensor
    classes: Tensor
    sentences: list[str]
    negatives: list[str]


class WindowSampler:
    """Draws batches of three-action windows from prepared recordings."""

    def __init__(
        self, recordings: Sequence[PreparedRecording], settings: WindowSettings, labels: list[str]
    ) -> None:
        self._recordings, self._settings = recordings, settings
        self._class_id = {label: index for index, label in enumerate(labels)}
        self._spans = [action_spans(recording.labels) for recording in recordings]
        self.actions = [(r, a) for r, spans in enumerate(self._spans) for a in range(len(spans))]

    def epoch(
        self, random: np.random.Generator, batch_size: int, limit: int = 0
    ) -> list[Callable[[], WindowBatch]]:
        """Every action once in random order (at most `limit` of them), as batches to be made."""
        order = random.permutation(len(self.actions))[: limit or None]
        parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        seeds = random.integers(2**63, size=len(parts))
        return [partial(self._batch, *drawn) for drawn in zip(parts, seeds, strict=True)]

    def _batch(self, chosen: np.ndarray, seed: int) -> WindowBatch:
        settings, random = self._settings, np.random.default_rng(seed)
        rows, soft, classes, sentences, negatives = [], [], [], [], set()
        for recording_index, action in (self.actions[index] for index in chosen):
            recording = self._recordings[recording_index]
            window = sample_window(
                self._spans[recording_index], action, settings.padding, settings.samples, random
            )
            rows.append(recording.rows(window.frames))
            soft.append(soft_boundaries(window.boundaries, settings.boundary_sigma))
            classes.append([self._class_id.get(recording.labels[i], -1) for i in window.frames])
            sentences.append(sentence(window.labels))
            negatives.update(reordered(window.labels))
        return WindowBatch(
            collate(rows),
            torch.from_numpy(np.stack(soft)),
            torch.tensor(classes),
            sentences,
            sorted(negatives - set(sentences)),
        )


class Pretraining(nn.Module):
    """The extractor with what pretraining puts on top of it."""

    def __init__(
        self,
        encoder: M2R2,
        settings: PretrainSettings,
        sentence_encoder: SentenceEncoder,
        labels: list[str],
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = PretrainingHeads(
            width=settings.model.feature_dimension,
            length=settings.window.samples,
            layers=settings.fusion_layers,
            heads=settings.model.heads,
            dropout=settings.model.dropout,
            sentence_dimension=sentence_encoder.dimension,
            classes=len(labels),
        )
        self._settings, self._embed = settings, sentence_encoder

    def losses(self, make_batch: Callable[[], WindowBatch]) -> Losses:
        """Equation (5), its parts, and the optional frame-wise term."""
        batch = make_batch()
        size = batch.boundaries.shape
        prepared = self._disturbed(batch.prepared, size) if self.training else batch.prepared
        features = self.encoder.encode(prepared).view(*size, -1)
        windows, boundary, logits = self.heads(features)
        candidates = sorted(set(batch.sentences)) + batch.negatives
        embedded = self.heads.sentence(self._embed(candidates))
        scale = self.heads.log_scale.exp().clamp(max=100)
        action = action_loss(windows, embedded, batch.sentences, candidates, scale)
        edges = boundary_loss(boundary, batch.boundaries)
        found = {"loss": action + edges, "action": action, "boundary": edges}
        known = batch.classes >= 0
        found["frame_class"] = functional.cross_entropy(logits[known], batch.classes[known])
        found["frame_accuracy"] = (logits.argmax(-1) == batch.classes)[known].float().mean()
        if self._settings.frame_class_weight:
            found["loss"] = found["loss"] + self._settings.frame_class_weight * found["frame_class"]
        return found

    def _disturbed(self, prepared: dict[str, Tensor], size: torch.Size) -> dict[str, Tensor]:
        settings = self._settings
        mask = drop_modalities(prepared["mask"].view(*size, -1), settings.modality_dropout)
        return settings.augmentation(prepared, size[0]) | {"mask": mask.flatten(0, 1)}


def pretrain(
    paths: Sequence[Path],
    out: Path,
    settings: PretrainSettings,
    read: Callable[[Path, object], LabelledWindows],
    cache: Path,
) -> None:
    """Pretrain on recordings into the run folder `out`; goes on where an earlier run stopped.

    `read` yields a recording's windows with their labels; `cache` keeps prepared recordings.
    """
    names = [path.stem for path in paths]
    run = Run(out, {"kind": "m2r2", "recordings": names, "settings": settings_to_dict(settings)})
    encoder = build_encoder(settings)
    if settings.imagenet and encoder.layout.cameras:
        encoder.image_grid.backbone.load_imagenet()
    recordings = prepare_recordings(paths, encoder, cache, read)
    training, validation = split_validation([r.name for r in recordings], settings.validation)
    chosen = [recordings[index] for index in training]
    statistics = measure_statistics(chosen, encoder.layout)
    (out / STATISTICS_FILE).write_text(statistics.to_json(), encoding="utf-8")
    encoder.set_statistics(statistics)
    labels = _labels(chosen)
    module = Pretraining(encoder, settings, SentenceEncoder(settings.sentence_encoder), labels)
    sampler = WindowSampler(chosen, settings.window, labels)
    held_out = WindowSampler([recordings[i] for i in validation], settings.window, labels)
    batch_size = settings.optimiser.batch_size
    train_epochs(
        run,
        module,
        settings.optimiser,
        settings.seed,
        batches=lambda random: sampler.epoch(random, batch_size, settings.windows_per_epoch),
        losses=module.losses,
        validation=held_out.epoch(np.random.default_rng(settings.seed), batch_size),
    )


def build_encoder(settings: PretrainSettings) -> M2R2:
    """The extractor as the settings say, its trained part initialised by their seed."""
    torch.manual_seed(settings.seed)
    return M2R2(settings.layout, settings.model)


def load_encoder(run: Path) -> tuple[M2R2, str]:
    """The best epoch's extractor of a run, and what it was trained on.

    Raises M2R2Error when the folder is no pretraining run or has finished no epoch.
    """
    stored = read_settings(run)
    if stored.get("kind") != "m2r2":
        raise M2R2Error(f"{run}: no run of `m2r2 pretrain`, but of kind '{stored.get('kind')}'")
    settings = settings_from_dict(PretrainSettings, stored.get("settings"), str(run))
    encoder = build_encoder(settings)
    encoder.load_state_dict(best_weights(run, "encoder."))
    names = [str(name) for name in stored.get("recordings", ())]
    return encoder.eval(), settings.training_data or describe_data(names)


def drop_modalities(mask: Tensor, probability: float) -> Tensor:
    """Mask whole modalities of whole windows at random; `mask` bool (B, N_w, M).

    A window whose every modality would go keeps them all.
    """
    kept = torch.rand(mask.shape[0], 1, mask.shape[2]) >= probability
    kept = kept | ~(mask & kept).any(2, keepdim=True).any(1, keepdim=True)
    return mask & kept


def _labels(recordings: Iterable[PreparedRecording]) -> list[str]:
    labels = sorted({label for recording in recordings for label in recording.labels})
    if len(labels) < 2:
        raise M2R2Error("the training recordings have fewer than two different labels")
    return labels
