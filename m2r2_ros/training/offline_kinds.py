# SPDX-License-Identifier: Apache-2.0
"""The kinds of offline heads: network, settings, losses and prediction of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.heads.asrf import Asrf, refine
from m2r2_ros.networks.heads.diffact import DiffAct, median_over_time
from m2r2_ros.networks.heads.ms_tcn import MsTcn
from m2r2_ros.training.loop import Losses
from m2r2_ros.training.offline_settings import (
    AsrfSettings,
    DiffActSettings,
    MsTcnSettings,
    OfflineSettings,
)
from m2r2_ros.training.segmentation_losses import (
    alignment_loss,
    balanced_weights,
    boundary_weight,
    change_loss,
    find_starts,
    gaussian_similarity,
    median_frequency_weights,
    soft_cross_entropy,
    soft_labels,
    soft_starts,
)

SequenceLosses = Callable[[LabelledFeatures], Losses]
Predict = Callable[[Any, Tensor], tuple[np.ndarray, np.ndarray]]

# Sampling strides of DiffAct in validation: it loses little with 8 (its Table 4).
_VALIDATION_STRIDES = 8


@dataclass(frozen=True)
class Kind:
    """`network(dimension, classes, config)`; `losses(network, training, classes, settings)` gives
    the function that scores a sequence; `predict(network, features (T, D))` gives classes int64
    (T,) and probabilities float32 (T, C); `validate` is its cheaper form, for every epoch."""

    network: Callable[[int, int, Any], nn.Module]
    settings: type[OfflineSettings]
    losses: Callable[[Any, Sequence[LabelledFeatures], int, Any], SequenceLosses]
    predict: Predict
    validate: Predict


def ms_tcn_losses(
    network: MsTcn, training: Sequence[LabelledFeatures], classes: int, settings: MsTcnSettings
) -> SequenceLosses:
    """Cross entropy and truncated smoothing, summed over the stages: MS-TCN, (8) to (13)."""
    weights = _weights(training, classes, settings)

    def losses(sequence: LabelledFeatures) -> Losses:
        features, target = _tensors(sequence)
        stages = network(features)
        entropy = sum(functional.cross_entropy(stage, target, weights) for stage in stages)
        smoothing = sum(change_loss(stage) for stage in stages)
        return {
            "loss": entropy + settings.smoothing_weight * smoothing,
            "cross_entropy": entropy,
            "smoothing": smoothing,
        }

    return losses


def asrf_losses(
    network: Asrf, training: Sequence[LabelledFeatures], classes: int, settings: AsrfSettings
) -> SequenceLosses:
    """Means over the stages of both branches: ASRF, 3.3."""
    weights = _weights(training, classes, settings)
    positive = torch.tensor(boundary_weight([s.classes for s in training]))

    def losses(sequence: LabelledFeatures) -> Losses:
        features, target = _tensors(sequence)
        stages, boundaries = network(features)
        similarity = gaussian_similarity(network.standardise(features))
        entropy = _mean(functional.cross_entropy(stage, target, weights) for stage in stages)
        smoothing = _mean(change_loss(stage, similarity, hold_past=False) for stage in stages)
        starts = find_starts(target)
        edges = _mean(
            functional.binary_cross_entropy_with_logits(stage, starts, pos_weight=positive)
            for stage in boundaries
        )
        loss = entropy + settings.smoothing_weight * smoothing + settings.boundary_weight * edges
        return {
            "loss": loss,
            "cross_entropy": entropy,
            "smoothing": smoothing,
            "boundary": edges,
        }

    return losses


def diffact_losses(
    network: DiffAct, training: Sequence[LabelledFeatures], classes: int, settings: DiffActSettings
) -> SequenceLosses:
    """Cross entropy and smoothing of encoder and decoder, boundary alignment: DiffAct, 3.3.

    Without class weights even where the authors' settings ask for them: their code leaves them
    out of the cross entropy with soft labels, which these settings ask for too.
    """
    weights = balanced_weights([s.classes for s in training], classes)
    if not settings.class_weights:
        weights = torch.ones(classes)

    def losses(sequence: LabelledFeatures) -> Losses:
        features, target = _tensors(sequence)
        encoded, conditions = network.encode(features)
        step = int(torch.randint(network.config.steps, ()))
        clean = functional.one_hot(target, classes).float()
        noisy = network.diffusion.add_noise(clean, step, torch.randn_like(clean))
        boundaries = soft_starts(target, settings.boundary_sigma)
        shown = ~hidden_frames(_draw(settings.masks), target, boundaries, settings.hidden_actions)
        decoded = network.decode(conditions * shown[:, None], noisy, step)
        soft = soft_labels(target, classes, settings.label_sigma) * weights
        entropy = soft_cross_entropy(encoded, soft) + soft_cross_entropy(decoded, soft)
        smoothing = change_loss(encoded) + change_loss(decoded)
        alignment = alignment_loss(decoded, boundaries)
        return {
            "loss": settings.cross_entropy_weight * entropy
            + settings.smoothing_weight * smoothing
            + settings.boundary_weight * alignment,
            "cross_entropy": entropy,
            "smoothing": smoothing,
            "boundary": alignment,
        }

    return losses


def hidden_frames(mask: str, classes: Tensor, boundaries: Tensor, actions: int) -> Tensor:
    """bool (T,): frames whose conditions the decoder does not see: DiffAct, 3.3.2.

    "nothing" (the paper's N), "everything" (P, the prior of positions), "boundaries" (B, frames of
    a soft boundary >= 0.5) or "actions" (R, all frames of the classes in `actions` draws).
    """
    if mask == "nothing":
        return torch.zeros(len(classes), dtype=torch.bool)
    if mask == "everything":
        return torch.ones(len(classes), dtype=torch.bool)
    if mask == "boundaries":
        return boundaries >= 0.5
    if mask == "actions":
        found = classes.unique()
        return torch.isin(classes, found[torch.randint(len(found), (actions,))])
    raise M2R2Error(f"masks: no mask '{mask}'")


def _draw(names: Sequence[str]) -> str:
    return names[int(torch.randint(len(names), ()))]


def _predict_ms_tcn(network: MsTcn, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    probabilities = network(features)[-1].softmax(-1).numpy()
    return probabilities.argmax(1), probabilities


def _predict_asrf(network: Asrf, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    stages, boundaries = network(features)
    probabilities, boundary = stages[-1].softmax(-1).numpy(), boundaries[-1].sigmoid().numpy()
    return refine(probabilities, boundary, network.config.boundary_threshold)


def _predict_diffact(network: DiffAct, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return _sample(network, features, network.config.sampling_steps)


def _validate_diffact(network: DiffAct, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return _sample(network, features, min(_VALIDATION_STRIDES, network.config.sampling_steps))


def _sample(network: DiffAct, features: Tensor, strides: int) -> tuple[np.ndarray, np.ndarray]:
    probabilities, size = network.sample(features, strides).numpy(), network.config.median_filter
    if size:
        smooth = median_over_time(probabilities, size)
        total = smooth.sum(1, keepdims=True)
        # Where every class is rare around a frame, no median is left: then as it was.
        probabilities = np.where(total > 0, smooth / np.maximum(total, 1e-12), probabilities)
    return probabilities.argmax(1), probabilities


KINDS = {
    "mstcn": Kind(MsTcn, MsTcnSettings, ms_tcn_losses, _predict_ms_tcn, _predict_ms_tcn),
    "asrf": Kind(Asrf, AsrfSettings, asrf_losses, _predict_asrf, _predict_asrf),
    "diffact": Kind(DiffAct, DiffActSettings, diffact_losses, _predict_diffact, _validate_diffact),
}


def _weights(
    training: Sequence[LabelledFeatures], classes: int, settings: OfflineSettings
) -> Tensor | None:
    if not settings.class_weights:
        return None
    return median_frequency_weights([s.classes for s in training], classes)


def _tensors(sequence: LabelledFeatures) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(sequence.features), torch.from_numpy(sequence.classes)


def _mean(values: Any) -> Tensor:
    listed = list(values)
    return sum(listed) / len(listed)
