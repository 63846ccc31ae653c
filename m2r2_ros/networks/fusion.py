# SPDX-License-Identifier: Apache-2.0
"""What pretraining puts on top of the extractor (M2R2 III-D, figure 3) and later discards."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from m2r2_ros.networks.tokens import transformer


class FusionTransformer(nn.Module):
    """Features X (B, T, D_e) -> temporally enhanced X-hat, the same shape."""

    def __init__(self, width: int, length: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        # Attention alone is blind to order, which the sentences are about.
        self.position = nn.Parameter(torch.randn(length, width) * 0.02)
        self.encoder = transformer(width, heads, layers, dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.encoder(features + self.position))

    def asked(self, features: Tensor, before: Tensor) -> Tensor:
        """With tokens (B, N, D_e) before the features, which have no place in time: N + T."""
        return self.norm(self.encoder(torch.cat([before, features + self.position], dim=1)))


class PretrainingHeads(nn.Module):
    """Fusion Transformer, Boundary Regression Network and the projections beside them.

    forward: X (B, T, D_e) -> E_w (B, D_e), B_pred (B, T) in (0, 1), class logits (B, T, C).
    """

    def __init__(
        self,
        width: int,
        length: int,
        layers: int,
        heads: int,
        dropout: float,
        sentence_dimension: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.fusion = FusionTransformer(width, length, layers, heads, dropout)
        self.boundary = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.sentence = nn.Linear(sentence_dimension, width)
        self.frame_class = nn.Linear(width, classes)
        # CLIP's start: similarities are divided by a temperature of 0.07.
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        enhanced = self.fusion(features)
        boundary = torch.sigmoid(self.boundary(enhanced)).squeeze(-1)
        return enhanced.mean(1), boundary, self.frame_class(enhanced)
