# SPDX-License-Identifier: Apache-2.0
"""`m2r2 train --head causal`: the robot's head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.datasets.frame_rate import ASSUMED_HZ
from m2r2_ros.networks.heads.causal import CausalConfig, CausalHead
from m2r2_ros.training.loop import Losses, ParameterGroup
from m2r2_ros.training.outlook import outlook_losses
from m2r2_ros.training.segmentation_losses import smoothing_loss
from m2r2_ros.training.sequences import PADDING, SequenceBatch, coarse_membership
from m2r2_ros.training.streaming_method import StreamingMethod, StreamingSettings
from m2r2_ros.vocabulary import Vocabulary


@dataclass(frozen=True)
class CausalSettings(StreamingSettings):
    """Sizes of the network and weights of its losses."""

    model: CausalConfig = field(default_factory=CausalConfig)
    # Weight of MS-TCN's truncated squared difference of neighbouring log-probabilities. There it is
    # 0.15: a causal head then follows late. Smoothing is the segment tracker's.
    smoothing_weight: float = 0.02
    # Weight of the cross entropy on coarse labels, whose probabilities are sums of fine ones. Only
    # where labels have objects: elsewhere it would be the fine one again.
    coarse_weight: float = 1.0
    # Weight of the boundaries' cross entropy.
    boundary_weight: float = 1.0
    # Standard deviation of Gaussian noise on the normalised features.
    feature_noise: float = 0.1


class CausalTraining(nn.Module):
    """A causal head and its losses."""

    def __init__(
        self,
        head: CausalHead,
        vocabulary: Vocabulary,
        settings: CausalSettings,
        rate_hz: float = ASSUMED_HZ,
    ) -> None:
        super().__init__()
        self.head, self._settings, self._rate_hz = head, settings, rate_hz
        self._coarse = coarse_membership(vocabulary) if vocabulary.has_objects else None

    def losses(self, batch: SequenceBatch) -> Losses:
        """Cross entropy of fine and coarse labels, smoothing, boundaries, and the losses of the
        outlook; "loss" is their sum.

        "coarse" is there where labels have objects.
        """
        settings, features = self._settings, batch.features
        if self.training:
            features = features + settings.feature_noise * self.head.std * torch.randn_like(
                features
            )
        answer = self.head.answer(features, self.head.zero_states(len(features)))
        found, boundary = answer.stages, answer.boundary
        # Each member is one more sequence: (B M, T, C).
        stages = [logits.flatten(0, 1) for logits in found]
        classes = batch.classes.repeat_interleave(self.head.config.members, 0)
        present = classes != PADDING
        fine = sum(_cross_entropy(logits, classes) for logits in stages)
        coarse = self._coarse_losses(stages, classes)
        smoothing = sum(smoothing_loss(logits, present) for logits in stages)
        edges = functional.binary_cross_entropy_with_logits(
            boundary.flatten(0, 1)[present],
            batch.boundaries.repeat_interleave(self.head.config.members, 0)[present],
        )
        loss = fine + settings.coarse_weight * sum(coarse.values())
        loss = loss + settings.smoothing_weight * smoothing + settings.boundary_weight * edges
        outlook = {}
        if answer.outlook is not None:
            outlook = outlook_losses(self.head, answer.outlook, batch, self._rate_hz)
            loss = loss + sum(outlook.values())
        right = (stages[-1].argmax(-1) == classes)[present].float().mean()
        return {
            "loss": loss,
            "fine": fine,
            **coarse,
            "smoothing": smoothing,
            "boundary": edges,
            **outlook,
            "accuracy": right,
        }

    def parameter_groups(self) -> list[ParameterGroup]:
        """The outlook apart: its gradients must not shorten the others' steps."""
        outlook = [] if self.head.outlook is None else list(self.head.outlook.parameters())
        own = {id(parameter) for parameter in outlook}
        rest = [p for p in self.head.parameters() if id(p) not in own]
        groups = [ParameterGroup(rest)]
        return [*groups, ParameterGroup(outlook, clipped_apart=True)] if outlook else groups

    def _coarse_losses(self, stages: Sequence[Tensor], classes: Tensor) -> Losses:
        if self._coarse is None:
            return {}
        return {"coarse": sum(self._coarse_loss(logits, classes) for logits in stages)}

    def _coarse_loss(self, logits: Tensor, classes: Tensor) -> Tensor:
        present = classes != PADDING
        probabilities = logits[present].softmax(-1) @ self._coarse
        right = (probabilities * self._coarse[classes[present]]).sum(-1)
        return -right.clamp(min=1e-8).log().mean()


def _cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, 1), classes.flatten(), ignore_index=PADDING)


HEAD = StreamingMethod(CausalHead, CausalSettings, CausalTraining)
