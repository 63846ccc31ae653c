# SPDX-License-Identifier: Apache-2.0
"""Feature disentanglement, equations (9) and (10), and what only training needs: (17), (21)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from m2r2_ros.networks.roboact.config import RoboActConfig
from m2r2_ros.networks.roboact.diff_transformer import mlp

# The order of the concatenations in (23).
FACTORS = ("subject", "object", "action")


class Disentanglement(nn.Module):
    """F_v (B, width) and the frames (B, m, width) -> F_attn (B, width), branches by factor.

    (9) is printed with Q = K = V = F_v, one vector, of which softmax attention is a linear map
    (its only weight is one). So that attention has something to choose from, the frames join F_v
    among keys and values; `attend_frames: false` is the equation to the letter.
    """

    def __init__(self, config: RoboActConfig) -> None:
        super().__init__()
        width = config.width
        self.attend_frames = config.attend_frames
        self.attention = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.branches = nn.ModuleDict({name: mlp(width, width, config.dropout) for name in FACTORS})

    def forward(self, fused: Tensor, frames: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        query = fused[:, None]
        seen = torch.cat([query, frames], 1) if self.attend_frames else query
        attended = self.attention(query, seen, seen, need_weights=False)[0][:, 0]
        return attended, {name: branch(attended) for name, branch in self.branches.items()}


class Combiner(nn.Module):
    """(17): features of three factors (B, width) -> F_recomb (B, 3 width), comparable to T.

    The paper leaves its form open. It starts as the concatenation of (23), which is what a clip's
    own branches are compared by, and learns a correction.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.correction = mlp(3 * width, 3 * width)
        nn.init.zeros_(self.correction[-1].weight)
        nn.init.zeros_(self.correction[-1].bias)

    def forward(self, branches: Mapping[str, Tensor]) -> Tensor:
        joined = torch.cat([branches[name] for name in FACTORS], -1)
        return joined + self.correction(joined)


class FactorClassifiers(nn.Module):
    """(21): F_attn (B, width) -> logits (B, classes) of each factor."""

    def __init__(self, width: int, classes: Mapping[str, int]) -> None:
        super().__init__()
        self.classify = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, count))
                for name, count in classes.items()
            }
        )

    def forward(self, attended: Tensor) -> dict[str, Tensor]:
        return {name: head(attended) for name, head in self.classify.items()}
