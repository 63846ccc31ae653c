# SPDX-License-Identifier: Apache-2.0
"""Pretraining of the M2R2 extractor (M2R2 III-D, figure 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.networks.fusion import PretrainingHeads
from m2r2_ros.networks.m2r2 import AST, CLIP, COMPACT, M2R2
from m2r2_ros.networks.pretrained import load_audio, load_images
from m2r2_ros.networks.statistics import Statistics
from m2r2_ros.parallel.spread import ALONE, Workers
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training import distributed
from m2r2_ros.training.bridge_prompts import PromptedFusion
from m2r2_ros.training.cache import PreparedRecording, collate, prepare_recordings
from m2r2_ros.training.exported_weights import take_exported
from m2r2_ros.training.loop import Losses, ParameterGroup, split_validation, train_epochs
from m2r2_ros.training.losses import action_loss, boundary_loss
from m2r2_ros.training.normalisation import measure_statistics
from m2r2_ros.training.preparation import Reader
from m2r2_ros.training.roboact.image_token import encoder_file, with_roboact
from m2r2_ros.training.run import TrainingRun, best_weights, describe_data, read_settings
from m2r2_ros.training.sampler import (
    SampledWindow,
    action_spans,
    sample_evenly,
    sample_window,
    soft_boundaries,
)
from m2r2_ros.training.sentences import reordered, sentence
from m2r2_ros.training.settings import (
    PretrainSettings,
    WindowSettings,
    settings_from_dict,
    settings_to_dict,
)
from m2r2_ros.training.stored_sentences import StoredSentences
from m2r2_ros.training.trained_sentences import TrainedSentences
from m2r2_ros.vocabulary import UNLABELLED

STATISTICS_FILE = "statistics.json"
# Windows that are encoded at once.
_BATCH = 256


@dataclass(frozen=True)
class WindowBatch:
    """B sampled windows of N_w frames.

    prepared    outputs of `M2R2.prepare`, B * N_w rows.
    boundaries  soft boundaries float32 (B, N_w); classes: label index of each frame (B, N_w).
    sentences   description of each window; negatives: of the same actions in other orders.
    actions     labels of each window's actions, in order.
    """

    prepared: dict[str, Tensor]
    boundaries: Tensor
    classes: Tensor
    sentences: list[str]
    negatives: list[str]
    actions: list[tuple[str, ...]]


class WindowSampler:
    """Draws batches of windows from prepared recordings."""

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
        rows, soft, classes, actions, negatives = [], [], [], [], set()
        for recording_index, action in (self.actions[index] for index in chosen):
            recording = self._recordings[recording_index]
            window = self._window(recording_index, action, random)
            rows.append(recording.rows(window.frames))
            soft.append(soft_boundaries(window.boundaries, settings.boundary_sigma))
            classes.append([self._class_id.get(recording.labels[i], -1) for i in window.frames])
            actions.append(tuple(window.labels))
            negatives.update(reordered(window.labels))
        sentences = [sentence(labels) for labels in actions]
        return WindowBatch(
            collate(rows),
            torch.from_numpy(np.stack(soft)),
            torch.tensor(classes),
            sentences,
            sorted(negatives - set(sentences)),
            actions,
        )

    def _window(self, recording: int, action: int, random: np.random.Generator) -> SampledWindow:
        settings, spans = self._settings, self._spans[recording]
        if settings.stride:
            return sample_evenly(spans, action, settings.stride, settings.samples, random)
        return sample_window(spans, action, settings.padding, settings.samples, random)


class Pretraining(nn.Module):
    """The extractor, and the layers that only pretraining puts on top of it."""

    def __init__(
        self,
        encoder: M2R2,
        settings: PretrainSettings,
        sentences: StoredSentences | TrainedSentences,
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
            sentence_dimension=sentences.dimension,
            classes=len(labels),
        )
        self._settings, self.sentences = settings, sentences
        if settings.bridge_prompts:
            self.prompts = PromptedFusion(settings.model.feature_dimension)

    def losses(self, make_batch: Callable[[], WindowBatch]) -> Losses:
        """Equation (5), its parts, and the optional frame-wise term."""
        batch = make_batch()
        size = batch.boundaries.shape
        prepared = self._disturbed(batch.prepared, size) if self.training else batch.prepared
        device = self.heads.log_scale.device
        prepared = {name: value.to(device) for name, value in prepared.items()}
        features = self.encoder.encode(prepared).view(*size, -1)
        windows, boundary, logits = self.heads(features)
        classes = batch.classes.to(device)
        known = classes >= 0
        found = {
            "boundary": boundary_loss(boundary, batch.boundaries.to(device)),
            "frame_class": functional.cross_entropy(logits[known], classes[known]),
        }
        if self._settings.action_weight:
            found["action"] = self._action_loss(windows, batch)
            if self._settings.bridge_prompts:
                found["prompts"] = self.prompts.loss(
                    self.heads.fusion, features, batch.actions, self._embedded, self._scale
                )
        weights = {
            "action": self._settings.action_weight,
            "boundary": self._settings.boundary_weight,
            "frame_class": self._settings.frame_class_weight,
            "prompts": self._settings.action_weight * self._settings.bridge_prompts,
        }
        # A term of weight 0 is shown, but its gradient is not computed.
        total = sum(weight * found[name] for name, weight in weights.items() if weight)
        accuracy = (logits.argmax(-1) == classes)[known].float().mean()
        return {"loss": total, **found, "frame_accuracy": accuracy}

    def parameter_groups(self) -> list[ParameterGroup]:
        """What begins from published weights, then what begins at random and may descend faster.

        None where all descend at one rate.
        """
        scale = self._settings.new_modules_rate
        if scale == 1.0:
            return []
        published = {id(p) for module in self._published() for p in module.parameters()}
        trained = [p for p in self.parameters() if p.requires_grad]
        groups = [
            ParameterGroup([p for p in trained if id(p) in published]),
            ParameterGroup([p for p in trained if id(p) not in published], scale),
        ]
        return [group for group in groups if group.parameters]

    def _published(self) -> Iterator[nn.Module]:
        settings, layout = self._settings, self.encoder.layout
        if layout.cameras and settings.model.image_backbone == CLIP and settings.image_weights:
            yield self.encoder.image_grid
        if layout.audio and settings.model.audio_backbone == AST and settings.audio_weights:
            yield self.encoder.audio_token.model
        if isinstance(self.sentences, TrainedSentences):
            yield self.sentences

    def _action_loss(self, windows: Tensor, batch: WindowBatch) -> Tensor:
        candidates = sorted(set(batch.sentences)) + batch.negatives
        embedded = self._embedded(candidates)
        return action_loss(windows, embedded, batch.sentences, candidates, self._scale)

    def _embedded(self, sentences: Sequence[str]) -> Tensor:
        return self.heads.sentence(self.sentences(sentences).to(self.heads.log_scale.device))

    @property
    def _scale(self) -> Tensor:
        return self.heads.log_scale.exp().clamp(max=100)

    def _disturbed(self, prepared: dict[str, Tensor], size: torch.Size) -> dict[str, Tensor]:
        settings = self._settings
        mask = drop_modalities(prepared["mask"].view(*size, -1), settings.modality_dropout)
        changed = settings.augmentation(prepared, size[0], self.encoder.layout)
        return changed | {"mask": mask.flatten(0, 1)}


def pretrain(
    paths: Sequence[Path],
    out: Path,
    settings: PretrainSettings,
    read: Reader,
    cache: Path,
    workers: Workers = ALONE,
    start_from: Path | None = None,
) -> None:
    """Pretrain on recordings into the run folder `out`; goes on where an earlier run stopped.

    `read` yields a recording's windows with their labels; `cache` keeps prepared recordings,
    which `workers` compute. Training begins with the weights of the encoder.onnx
    `start_from`, as far as they fit.
    """
    settings = with_roboact(settings)
    device = distributed.connect()
    names = [path.stem for path in paths]
    recorded = {"kind": "m2r2", "recordings": names, "settings": settings_to_dict(settings)}
    if start_from:
        recorded["start_from"] = read_model(start_from).sha256
    run = TrainingRun(out, recorded, before={"settings": settings_to_dict(PretrainSettings())})
    encoder = build_encoder(settings)
    if start_from:
        take_exported(encoder, start_from)
    with distributed.first_process_first():
        recordings = read_prepared(paths, settings, cache, read, workers)
    training, validation = _split([r.name for r in recordings], settings)
    run.begin()
    chosen = [recordings[index] for index in training]
    with distributed.first_process_first():
        encoder.set_statistics(_statistics(out / STATISTICS_FILE, chosen, encoder.layout))
    labels = _labels(chosen)
    with distributed.first_process_first():
        sentences = stored_sentences(settings, recordings, cache)
    module = Pretraining(encoder, settings, sentences, labels).to(device)
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
        groups=module.parameter_groups(),
    )


def _split(names: list[str], settings: PretrainSettings) -> tuple[list[int], list[int]]:
    """Indices for training and validation; a part of 0: none of these."""
    if not settings.validation and not settings.validation_recordings:
        return list(range(len(names))), []
    return split_validation(names, settings.validation, settings.validation_recordings)


def _statistics(
    file: Path, recordings: Sequence[PreparedRecording], layout: SensorLayout
) -> Statistics:
    """The run's statistics, measured once: a resumed run normalises as it began."""
    if file.exists():
        return Statistics.read(file, layout)
    statistics = measure_statistics(recordings, layout)
    with partial_file(file) as partial:
        partial.write_text(statistics.to_json(), encoding="utf-8")
    return statistics


def stored_sentences(
    settings: PretrainSettings, recordings: Sequence[PreparedRecording], cache: Path
) -> StoredSentences | TrainedSentences:
    """A frozen one knows every sentence that the recordings' windows of three actions ask for."""
    if settings.sentences_trained:
        return TrainedSentences(settings.sentence_encoder)
    embed = StoredSentences(settings.sentence_encoder, cache)
    if settings.action_weight and not settings.window.stride:
        described = set()
        for recording in recordings:
            labels = [span.label for span in action_spans(recording.labels)]
            for middle in range(len(labels)):
                shown = labels[max(0, middle - 1) : middle + 2]
                described |= {sentence(shown), *reordered(shown)}
        embed.store(described)
    return embed


def build_encoder(settings: PretrainSettings) -> M2R2:
    """The extractor as the settings say, its trained part initialised by their seed."""
    return _initialised(settings, settings.encoder_layout)


def read_prepared(
    paths: Sequence[Path],
    settings: PretrainSettings,
    cache: Path,
    read: Reader,
    workers: Workers = ALONE,
) -> list[PreparedRecording]:
    """Recordings as `build_encoder(settings)` takes them, prepared for the whole layout.

    Settings that differ in `modalities` alone share the cache. Raises M2R2Error as
    `prepare_recordings` does.
    """
    whole = _initialised(settings, settings.layout)
    recordings = prepare_recordings(paths, whole, cache, read, workers, encoder_file(settings))
    return [recording.restricted(settings.layout, settings.modalities) for recording in recordings]


def cached_features(
    run: Path, paths: Sequence[Path], cache: Path, read: Reader, workers: Workers = ALONE
) -> Iterator[tuple[str, np.ndarray, list[str]]]:
    """Name, features float32 (T, D_e) and T labels of recordings, by the encoder of a run.

    From the cache that the run's training made, if it is there: no picture is decoded again, and
    runs whose settings differ in `modalities` give features of the same frames. They are those of
    the exported encoder but for the half precision of the cache (some 1e-3). Raises M2R2Error as
    `load_encoder` and `read_prepared` do.
    """
    encoder, _ = load_encoder(run)
    settings = with_roboact(stored_settings(run))
    for recording in read_prepared(paths, settings, cache, read, workers):
        features = []
        for start in range(0, len(recording.labels), _BATCH):
            rows = recording.rows(np.s_[start : start + _BATCH])
            with torch.inference_mode():
                features.append(encoder.encode(collate([rows])).numpy())
        yield recording.name, np.concatenate(features), recording.labels


def _initialised(settings: PretrainSettings, layout: SensorLayout) -> M2R2:
    torch.manual_seed(settings.seed)
    encoder = M2R2(layout, settings.model)
    if layout.cameras and settings.model.image_backbone == CLIP:
        if settings.image_weights:
            load_images(encoder.image_grid, settings.image_weights)
    elif layout.cameras and settings.imagenet and settings.model.image_backbone == COMPACT:
        encoder.image_grid.backbone.load_imagenet()
    if layout.audio and settings.model.audio_backbone == AST and settings.audio_weights:
        load_audio(encoder.audio_token, settings.audio_weights)
    return encoder


def load_encoder(run: Path) -> tuple[M2R2, str]:
    """The extractor of a run's best epoch, and the name of its training data.

    Raises M2R2Error when the folder is no pretraining run or has finished no epoch.
    """
    settings = stored_settings(run)
    # The run has all weights: those that its training started from are not needed.
    encoder = build_encoder(replace(settings, imagenet=False, image_weights="", audio_weights=""))
    encoder.load_state_dict(best_weights(run, "encoder."))
    names = [str(name) for name in read_settings(run).get("recordings", ())]
    names = [name for name in names if name not in settings.validation_recordings]
    return encoder.eval(), settings.training_data or describe_data(names)


def stored_settings(run: Path) -> PretrainSettings:
    stored = read_settings(run)
    if stored.get("kind") != "m2r2":
        raise M2R2Error(f"{run}: no run of `m2r2 pretrain`, but of kind '{stored.get('kind')}'")
    return settings_from_dict(PretrainSettings, stored.get("settings"), str(run))


def drop_modalities(mask: Tensor, probability: float) -> Tensor:
    """Mask whole modalities of whole windows at random; `mask` bool (B, N_w, M).

    A window whose every modality would go keeps them all.
    """
    kept = torch.rand(mask.shape[0], 1, mask.shape[2]) >= probability
    kept = kept | ~(mask & kept).any(2, keepdim=True).any(1, keepdim=True)
    return mask & kept


def _labels(recordings: Iterable[PreparedRecording]) -> list[str]:
    labels = {label for recording in recordings for label in recording.labels} - {UNLABELLED}
    if len(labels) < 2:
        raise M2R2Error("the training recordings have fewer than two different labels")
    return sorted(labels)
