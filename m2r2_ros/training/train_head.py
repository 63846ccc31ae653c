# SPDX-License-Identifier: Apache-2.0
"""Training of a segmentation head on extracted features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.evaluation.segments import FRAME_RATE_HZ
from m2r2_ros.evaluation.streamed_predictions import nominal_stamps, track
from m2r2_ros.inference.tracker import SegmentTracker
from m2r2_ros.networks.heads.causal import CausalHead
from m2r2_ros.training.calibration import best_temperature
from m2r2_ros.training.loop import Losses, split_validation, train_epochs
from m2r2_ros.training.losses import smoothing_loss
from m2r2_ros.training.run import Run
from m2r2_ros.training.sequences import (
    PADDING,
    SequenceBatch,
    coarse_membership,
    cropped,
    delayed,
    feature_moments,
    make_batch,
)
from m2r2_ros.training.settings import HeadSettings, settings_to_dict
from m2r2_ros.training.tracker_tuning import Answers, TunedTracker, score_tracker, tune_tracker


class HeadTraining(nn.Module):
    """A causal head and its losses."""

    def __init__(self, head: CausalHead, labels: Sequence[str], settings: HeadSettings) -> None:
        super().__init__()
        self.head, self._settings = head, settings
        self._coarse = coarse_membership(labels)

    def losses(self, batch: SequenceBatch) -> Losses:
        """Cross entropy of fine and coarse labels, smoothing, boundaries; "loss" is their sum."""
        settings, present = self._settings, batch.present
        features = batch.features
        if self.training:
            features = features + settings.feature_noise * self.head.std * torch.randn_like(
                features
            )
        stages, boundary, _ = self.head(features, self.head.zero_states(len(features)))
        fine = sum(_cross_entropy(logits, batch.classes) for logits in stages)
        coarse = sum(self._coarse_loss(logits, batch.classes) for logits in stages)
        smoothing = sum(smoothing_loss(logits, present) for logits in stages)
        edges = functional.binary_cross_entropy_with_logits(
            boundary[present], batch.boundaries[present]
        )
        loss = fine + settings.coarse_weight * coarse
        loss = loss + settings.smoothing_weight * smoothing + settings.boundary_weight * edges
        right = (stages[-1].argmax(-1) == batch.classes)[present].float().mean()
        return {
            "loss": loss,
            "fine": fine,
            "coarse": coarse,
            "smoothing": smoothing,
            "boundary": edges,
            "accuracy": right,
        }

    def _coarse_loss(self, logits: Tensor, classes: Tensor) -> Tensor:
        present = classes != PADDING
        probabilities = logits[present].softmax(-1) @ self._coarse
        right = (probabilities * self._coarse[classes[present]]).sum(-1)
        return -right.clamp(min=1e-8).log().mean()


def train_head(
    sequences: Sequence[LabelledFeatures], labels: Sequence[str], out: Path, settings: HeadSettings
) -> tuple[CausalHead, TunedTracker]:
    """Train on the sequences, some of which are kept for validation, into the run folder `out`.

    The best epoch has the highest F1@50 of what the settings' segment tracker publishes of the
    validation sequences. Returns its head, the temperature calibrated on these sequences, too, and
    the tracker: as the settings have it, or tuned if they say so; with its scores in validation.
    """
    dimension = sequences[0].features.shape[1]
    plain = settings_to_dict(settings)
    # What is done with the probabilities may change after training.
    plain.pop("tracker")
    plain.pop("tracker_delay_s")
    names = [sequence.name for sequence in sequences]
    run = Run(out, {"kind": "causal", "recordings": names, "settings": plain})
    training, validation = split_validation(
        names, settings.validation, settings.validation_recordings
    )
    chosen, held_out = [sequences[i] for i in training], [sequences[i] for i in validation]
    torch.manual_seed(settings.seed)
    head = CausalHead(dimension, len(labels), settings.model)
    head.mean, head.std = feature_moments(chosen)
    module = HeadTraining(head, labels, settings)
    train_epochs(
        run,
        module,
        settings.optimiser,
        settings.seed,
        batches=lambda random: _epoch(chosen, random, settings),
        losses=module.losses,
        validation=[
            make_batch([delayed(s, settings.model.look_ahead)], settings.boundary_sigma)
            for s in held_out
        ],
        score=lambda: _score(head, held_out, SegmentTracker(labels, settings.tracker)),
    )
    run.load_best(module)
    calibrate(head, held_out)
    return head.eval(), _tracker(head, held_out, labels, settings)


@torch.no_grad()
def calibrate(head: CausalHead, sequences: Sequence[LabelledFeatures]) -> None:
    """Set the head's temperature by these sequences, which it was not trained on."""
    head.eval()
    late = head.config.look_ahead
    logits = [
        head(torch.from_numpy(delayed(s, late).features)[None], head.zero_states())[0][-1][0, late:]
        for s in sequences
    ]
    classes = torch.from_numpy(np.concatenate([s.classes for s in sequences]))
    head.temperature.fill_(best_temperature(torch.cat(logits), classes))


def _tracker(
    head: CausalHead,
    sequences: Sequence[LabelledFeatures],
    labels: Sequence[str],
    settings: HeadSettings,
) -> TunedTracker:
    answers = [_answers(head, sequence) for sequence in sequences]
    if settings.tracker_delay_s:
        return tune_tracker(answers, labels, settings.tracker, settings.tracker_delay_s)
    return score_tracker(answers, labels, settings.tracker)


def _score(
    head: CausalHead, sequences: Sequence[LabelledFeatures], tracker: SegmentTracker
) -> dict[str, float]:
    pairs = []
    for answers in (_answers(head, sequence) for sequence in sequences):
        stamps_ns = nominal_stamps(len(answers.truth), FRAME_RATE_HZ)
        found = track(tracker, answers.probabilities, answers.boundary, stamps_ns)
        pairs.append((found.published, answers.truth))
    return score_many(pairs)


@torch.no_grad()
def _answers(head: CausalHead, sequence: LabelledFeatures) -> Answers:
    late = head.config.look_ahead
    features = torch.from_numpy(delayed(sequence, late).features)[None]
    probabilities, boundary, _ = head.predict(features, head.zero_states())
    found = probabilities[0, late:].numpy(), boundary[0, late:].numpy()
    return Answers(sequence.name, *found, list(sequence.labels), late, sequence.stamps_ns)


def _epoch(
    sequences: Sequence[LabelledFeatures], random: np.random.Generator, settings: HeadSettings
) -> list[SequenceBatch]:
    size = settings.optimiser.batch_size
    order = random.permutation(len(sequences))
    late = settings.model.look_ahead
    drawn = [delayed(cropped(sequences[i], random), late) for i in order]
    parts = [drawn[start : start + size] for start in range(0, len(drawn), size)]
    return [make_batch(part, settings.boundary_sigma) for part in parts]


def _cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, 1), classes.flatten(), ignore_index=PADDING)
