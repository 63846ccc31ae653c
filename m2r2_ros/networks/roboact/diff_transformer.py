# SPDX-License-Identifier: Apache-2.0
"""The Temporal Diff-Transformer, equations (4) to (8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from m2r2_ros.networks.roboact.config import ENDS, MEAN, RoboActConfig
from m2r2_ros.networks.tokens import FEED_FORWARD


class TemporalDiffTransformer(nn.Module):
    """Frames F (B, n, width) -> F_v (B, out), and the frames it saw (B, 0 to n, width).

    The paper prints `T_n` once in (8) where its text says "the start and end frame": F_n is meant.
    """

    def __init__(self, config: RoboActConfig, out: int) -> None:
        super().__init__()
        self.motion, width = config.motion, config.width
        parts = {ENDS: 2, MEAN: 1}.get(config.motion, 4)
        if parts == 4:
            self.layers = nn.ModuleList(
                RelativeLayer(width, config.heads, config.frames - 1, config.dropout)
                for _ in range(config.layers)
            )
            self.norm = nn.LayerNorm(width)
            # What a frame without motion looks like. Layers normalise what they are given: without
            # it, the noise of a picture at rest would be as large as a motion.
            self.rest = nn.Parameter(torch.randn(width))
        self.fuse = mlp(parts * width, out, config.dropout)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        first, last = frames[:, 0], frames[:, -1]
        if self.motion == MEAN:
            return self.fuse(frames.mean(1)), frames[:, :0]
        if self.motion == ENDS:
            return self.fuse(torch.cat([first, last], -1)), torch.stack([first, last], 1)
        change = self.temporal(frames)
        return self.fuse(torch.cat([change, last - first, first, last], -1)), frames

    def temporal(self, frames: Tensor) -> Tensor:
        """Tem (B, width), equations (4), (5), (6)."""
        tokens = self.rest + (frames[:, 1:] - frames[:, :-1])
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens[:, -1])


class RelativeLayer(nn.Module):
    """Transformer layer, normalised before each sub-layer, that knows order by distance alone.

    The paper says "relative positional encoding" and no more. Here it is a learned bias on the
    attention for each head and each signed distance (Raffel et al. 2020): no token knows where
    it stands, only how far it is from the others, as befits a window that slides over a stream.
    """

    def __init__(self, width: int, heads: int, length: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, FEED_FORWARD * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(FEED_FORWARD * width, width),
        )
        self.dropout = nn.Dropout(dropout)
        self.distance_bias = nn.Parameter(torch.randn(heads, 2 * length - 1) * 0.02)
        place = torch.arange(length)
        distance = place[None] - place[:, None] + length - 1
        self.register_buffer("distance", distance, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.dropout(self.attend(self.before_attention(tokens)))
        return tokens + self.dropout(self.mlp(self.before_mlp(tokens)))

    def attend(self, tokens: Tensor) -> Tensor:
        """Softmax(Q K^T / sqrt(width of a head) + bias of the distance) V, then projected."""
        batch, length, width = tokens.shape
        split = self.query_key_value(tokens).view(batch, length, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        weights = (scores + self.distance_bias[:, self.distance]).softmax(-1)
        return self.project((weights @ value).transpose(1, 2).reshape(batch, length, width))


def mlp(inside: int, out: int, dropout: float = 0.0) -> nn.Sequential:
    """Two layers; the paper names its MLPs and gives no sizes."""
    return nn.Sequential(
        nn.LayerNorm(inside),
        nn.Linear(inside, 2 * out),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(2 * out, out),
    )
