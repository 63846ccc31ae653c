# SPDX-License-Identifier: Apache-2.0
"""The policy: frozen features, a sentence and proprioception -> the next set-points of the arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from m2r2_ros.experiments.imitation.imitation_settings import NetworkSettings

# Of a step: how far the set-point is from where the hand is now, x, y, z [m] and yaw [rad].
MOVE = 4
_SMALLEST_STD = 1e-3


@dataclass(frozen=True)
class Steps:
    """N observations and what followed on each.

    `feature` (N, D); `instruction` int64 (N,): which of the policy's sentences;
    `proprioception` (N, P); `moves` (N, horizon, MOVE); `closed` (N, horizon): 1 where the fingers
    are to close.
    """

    feature: Tensor
    instruction: Tensor
    proprioception: Tensor
    moves: Tensor
    closed: Tensor

    def __getitem__(self, chosen: Tensor) -> Steps:
        return Steps(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


class Policy(nn.Module):
    """An MLP that predicts a chunk of set-points, so that it need not know where in a move it is.

    Feature and sentence are brought down to the same few numbers whatever the encoder, so that all
    policies have about the same size.
    """

    def __init__(
        self, settings: NetworkSettings, feature: int, felt: int, sentences: Tensor, noise: float
    ):
        """`feature` (0: a blind policy) and `felt` are the sizes of feature and proprioception;
        `sentences` (K, d_text) its instructions."""
        super().__init__()
        self.settings, self.noise = settings, noise
        self.register_buffer("sentences", sentences)
        self.see = nn.Linear(feature, settings.narrow) if feature else None
        self.read = nn.Linear(sentences.shape[1], settings.narrow)
        seen = settings.narrow if feature else 0
        layers: list[nn.Module] = []
        width = seen + settings.narrow + felt
        for _ in range(2):
            layers += [nn.Linear(width, settings.width), nn.ReLU(), nn.Dropout(settings.dropout)]
            width = settings.width
        self.act = nn.Sequential(*layers, nn.Linear(width, settings.horizon * (MOVE + 1)))
        for name, size in (("feature", feature), ("proprioception", felt), ("moves", MOVE)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))

    def set_statistics(self, steps: Steps) -> None:
        """Standardise by the training steps."""
        seen = ("feature",) if self.see is not None else ()
        for name in (*seen, "proprioception", "moves"):
            values = getattr(steps, name)
            values = values.flatten(0, -2)
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_std").copy_(values.std(0).clamp(min=_SMALLEST_STD))

    def forward(self, feature: Tensor, instruction: Tensor, felt: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised moves (N, horizon, MOVE), and logits of closed fingers (N, horizon)."""
        parts = [self.read(self.sentences[instruction]), self._standard("proprioception", felt)]
        if self.see is not None:
            parts.append(self.see(self._standard("feature", feature)))
        found = self.act(torch.cat(parts, -1)).unflatten(-1, (self.settings.horizon, MOVE + 1))
        return found[..., :MOVE], found[..., MOVE]

    def losses(self, steps: Steps) -> dict[str, Tensor]:
        """L1 of the standardised moves, and cross entropy of the fingers."""
        moves, closed = self(steps.feature, steps.instruction, steps.proprioception)
        wanted = (steps.moves - self.moves_mean) / self.moves_std
        found = {
            "moves": nn.functional.l1_loss(moves, wanted),
            "fingers": nn.functional.binary_cross_entropy_with_logits(closed, steps.closed),
        }
        return found | {"loss": found["moves"] + found["fingers"]}

    @torch.no_grad()
    def plan(self, feature: Tensor, instruction: int, felt: np.ndarray) -> np.ndarray:
        """Set-points float64 (horizon, 5) after one observation: x, y, z [m], yaw [rad], closed."""
        moves, closed = self(feature, torch.tensor([instruction]), torch.from_numpy(felt)[None])
        moves = (moves * self.moves_std + self.moves_mean)[0].double().numpy()
        here = [*felt[:3], np.arctan2(felt[4], felt[3])]
        return np.concatenate([here + moves, (closed[0, :, None] > 0).double().numpy()], axis=1)

    def _standard(self, name: str, values: Tensor) -> Tensor:
        values = (values - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_std")
        return values + self.noise * torch.randn_like(values) if self.training else values
