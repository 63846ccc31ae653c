# SPDX-License-Identifier: Apache-2.0
"""Pretraining of RoboAct-CLIP on frame embeddings of clips (II-B, equations (1) to (24))."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from m2r2_ros.datasets.clips import Clip
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.networks.roboact.disentanglement import Combiner, FactorClassifiers
from m2r2_ros.networks.roboact.frames import frame_encoder
from m2r2_ros.networks.roboact.model import TextBranches, VideoBranches
from m2r2_ros.parallel.spread import ALONE, Workers
from m2r2_ros.training import distributed
from m2r2_ros.training.loop import Losses, split_validation, train_epochs
from m2r2_ros.training.roboact.banks import FeatureBanks
from m2r2_ros.training.roboact.embeddings import embed_videos
from m2r2_ros.training.roboact.roboact_losses import (
    auxiliary_loss,
    contrast,
    magnitude_loss,
    similarity_loss,
)
from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
from m2r2_ros.training.roboact.sampling import ClipBatch, ClipSampler, FactorClasses
from m2r2_ros.training.roboact.text_encoder import text_encoder
from m2r2_ros.training.run import TrainingRun, describe_data
from m2r2_ros.training.sentence_encoder import SentenceEncoder
from m2r2_ros.training.settings import settings_to_dict

KIND = "roboact"
# A dimension that never changes in training carries nothing; this keeps the division finite.
SMALLEST_STD = 1e-3


class RoboActPretraining(nn.Module):
    """All that is trained, with the feature banks; the frozen encoders stay outside."""

    def __init__(
        self,
        settings: RoboActSettings,
        dimension: int,
        embed_text: SentenceEncoder,
        vocabulary: FactorClasses,
    ) -> None:
        """`dimension` is that of the frame embeddings."""
        super().__init__()
        width = settings.model.width
        self.video = VideoBranches(settings.model, dimension)
        self.text = TextBranches(width, embed_text.dimension)
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        if settings.model.disentangle:
            self.classifiers = FactorClassifiers(width, vocabulary.counts())
            self.combiner = Combiner(width)
            self.banks = FeatureBanks(vocabulary.counts(), width)
        self.settings, self.vocabulary = settings, vocabulary
        self._embed_text = embed_text

    def losses(self, make_batch: Callable[[], ClipBatch]) -> Losses:
        """(24) and its parts. Ablation 2 has L_CLIP alone: the other losses are on branches."""
        batch, weights = make_batch(), self.settings.weights
        valid = torch.ones(batch.frames.shape[:2], dtype=torch.bool)
        features = self.video(batch.frames, valid)
        found = {"clip": self._clip_loss(features.video, batch.clips)}
        found["loss"] = found["clip"]
        if self.settings.model.disentangle:
            classes = self.vocabulary.index(batch.clips)
            found["similarity"] = similarity_loss(features.branches)
            found["magnitude"] = magnitude_loss(features.branches)
            found["recombination"] = self._recombination_loss(features.branches, classes)
            disentanglement = weights.ortho * (found["similarity"] + found["magnitude"])
            disentanglement = disentanglement + weights.recombination * found["recombination"]
            alpha = {name: getattr(weights, name) for name in classes}
            found["auxiliary"] = auxiliary_loss(self.classifiers(features.attended), classes, alpha)
            found["loss"] = found["loss"] + weights.disentanglement * disentanglement
            found["loss"] = found["loss"] + weights.auxiliary * found["auxiliary"]
        if self.training:
            self.step += 1
        return found

    def text_features(self, sentences: Sequence[str]) -> Tensor:
        """F_text (N, 3 width), equations (1) and (2)."""
        return self.text(self._embed_text(sentences))

    def _clip_loss(self, video: Tensor, clips: Sequence[Clip]) -> Tensor:
        own = [clip.sentence for clip in clips]
        sentences = sorted(set(own))
        index = torch.tensor([sentences.index(sentence) for sentence in own])
        return contrast(video, self.text_features(sentences), index, self.settings.temperature)

    def _recombination_loss(
        self, branches: dict[str, Tensor], classes: dict[str, Tensor]
    ) -> Tensor:
        """(19), with the banks updated every `bank_interval` steps of training (16)."""
        if self.training and self.step % self.settings.bank_interval == 0:
            stored = self.banks.replace(branches, classes)
        else:
            stored = self.banks.features()
        triplets = self.banks.sample(self.settings.triplets)
        sentences = self._recombined_sentences(triplets)
        if len(sentences) < 2:
            return next(iter(branches.values())).sum() * 0
        recombined = self.combiner({name: stored[name][rows] for name, rows in triplets.items()})
        own = torch.arange(len(sentences))
        return contrast(recombined, self.text_features(sentences), own, self.settings.temperature)

    def _recombined_sentences(self, triplets: dict[str, Tensor]) -> list[str]:
        """The texts of (18)."""
        texts = {
            name: [self.vocabulary.classes[name][index] for index in rows.tolist()]
            for name, rows in triplets.items()
        }
        rows = zip(texts["subject"], texts["action"], texts["object"], strict=True)
        return [recombined_sentence(*row) for row in rows]


def recombined_sentence(subject: str, action: str, name: str) -> str:
    """The text of (18): "<i> <j> the <k>, action is <j>"."""
    return f"{subject} {action} the {name}, action is {action}"


@dataclass(frozen=True)
class ClipSplit:
    """Clips to train on, and clips of other videos to validate on."""

    training: list[Clip]
    validation: list[Clip]


def split_clips(clips: Sequence[Clip], settings: RoboActSettings) -> ClipSplit:
    """Give every whole video to training or to validation, and drop clips of held-out pairs.

    Raises M2R2Error when a held-out pair or a validation recording is not among the clips, two
    videos have the name of one, or nothing is left to train or to validate on.
    """
    pairs = {pair_of(clip) for clip in clips}
    for pair in settings.held_out_pairs:
        if pair not in pairs:
            raise M2R2Error(
                f"held_out_pairs: no clip shows '{pair}'{nearest_name(pair, pairs)}: where the "
                "settings are of other data, `held_out_pairs: []` holds none out"
            )
    kept = [clip for clip in clips if pair_of(clip) not in settings.held_out_pairs]
    named = settings.validation_recordings
    # A video that is named may show held-out pairs only.
    paths = sorted({clip.path for clip in (clips if named else kept)})
    # Where none is named, videos of several folders may have the same name.
    names = [path.stem if named else str(path) for path in paths]
    for name in named:
        if names.count(name) > 1:
            raise M2R2Error(f"two videos are called '{name}', one of those to validate on")
    _, places = split_validation(names, settings.validation, named)
    chosen = {paths[place] for place in places}
    split = ClipSplit(
        [clip for clip in kept if clip.path not in chosen],
        [clip for clip in kept if clip.path in chosen],
    )
    if not (split.training and split.validation):
        raise M2R2Error("held_out_pairs leave no clip to train or to validate on")
    return split


def pair_of(clip: Clip) -> str:
    """Action and object as settings name them: "tighten cap"."""
    return f"{clip.action} {clip.object}".strip()


def pretrain_roboact(
    clips: Sequence[Clip],
    out: Path,
    settings: RoboActSettings,
    cache: Path,
    workers: Workers = ALONE,
) -> None:
    """Pretrain on clips into the run folder `out`; goes on where an earlier run stopped.

    `cache` keeps frame embeddings; `workers` compute them. Raises M2R2Error when the
    clips are too few or unreadable.
    """
    split = split_clips(clips, settings)
    vocabulary = FactorClasses.of(split.training)
    encoder = frame_encoder(settings.clip)
    stored = {
        "kind": KIND,
        "data": settings.training_data or describe_data(_names(clips)),
        "vocabulary": {name: list(texts) for name, texts in vocabulary.classes.items()},
        "frame_encoder": encoder.fingerprint(),
        "embedding_dimension": encoder.dimension,
        "settings": settings_to_dict(settings),
    }
    run = TrainingRun(out, stored)
    used = [*split.training, *split.validation]
    videos = list(dict.fromkeys((clip.path, clip.camera) for clip in used))
    distributed.connect()
    with distributed.first_process_first():
        embedded = embed_videos(videos, encoder, settings.frame_rate_hz, cache, workers)
    frames = settings.model.frames
    sampler = ClipSampler(split.training, embedded, frames)
    held_out = ClipSampler(split.validation, embedded, frames)
    module = build(settings, encoder.dimension, text_encoder(settings.clip), vocabulary)
    module.video.set_statistics(*_statistics(sampler))
    size = settings.optimiser.batch_size
    train_epochs(
        run,
        module,
        settings.optimiser,
        settings.seed,
        batches=lambda random: sampler.epoch(random, size, settings.jitter),
        losses=module.losses,
        validation=held_out.ordered(size),
    )


def build(
    settings: RoboActSettings,
    dimension: int,
    embed_text: SentenceEncoder,
    vocabulary: FactorClasses,
) -> RoboActPretraining:
    """The module, initialised by the settings' seed."""
    torch.manual_seed(settings.seed)
    return RoboActPretraining(settings, dimension, embed_text, vocabulary)


def _statistics(sampler: ClipSampler) -> tuple[Tensor, Tensor]:
    """Mean and deviation of every dimension over the training clips' sampled frames."""
    total, squares, count = torch.zeros(()), torch.zeros(()), 0
    for make_batch in sampler.ordered(64):
        rows = make_batch().frames.flatten(0, 1).double()
        total, squares = total + rows.sum(0), squares + rows.square().sum(0)
        count += len(rows)
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0)
    return mean.float(), variance.sqrt().clamp(min=SMALLEST_STD).float()


def _names(clips: Sequence[Clip]) -> list[str]:
    return sorted({clip.path.name for clip in clips})
