# SPDX-License-Identifier: Apache-2.0
"""One token per modality (M2R2 III-C), each float32 (B, D_e)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.networks.image_backbone import EfficientNetLite0
from m2r2_ros.networks.log_mel import MEL_FILTERS

# The published weights expect (pixel - 127) / 128.
PIXEL_CENTRE, PIXEL_SCALE = 127.0, 128.0
# Width of a transformer's feed-forward layer over that of its tokens: half the usual, for speed.
FEED_FORWARD = 2


class ImageGrid(nn.Module):
    """What the frozen backbone sees: uint8 (B, H, W, 3) of any size -> float32 (B, length).

    The last feature map is averaged to `cells` x `cells`, which keeps where things are.
    """

    def __init__(self, image_size: int, stages: int, cells: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.backbone = EfficientNetLite0(stages).requires_grad_(False)
        self.pool = nn.AvgPool2d(image_size // self.backbone.stride // cells)
        self.length = self.backbone.channels * cells**2

    def train(self, mode: bool = True) -> ImageGrid:
        """Frozen also means that batch statistics stay as published."""
        return super().train(False)

    def resize(self, images: Tensor) -> Tensor:
        """uint8 (B, H, W, 3) -> float32 (B, 3, image_size, image_size), in [0, 255]."""
        return resized(images, self.image_size)

    def forward(self, resized: Tensor) -> Tensor:
        """Resized images (B, 3, image_size, image_size) -> (B, length)."""
        features = self.backbone((resized - PIXEL_CENTRE) / PIXEL_SCALE)
        return self.pool(features).flatten(1)


class ImageToken(nn.Module):
    """I_i from the image grid (B, length)."""

    def __init__(self, length: int, embedding: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.LayerNorm(length), nn.Linear(length, embedding))

    def forward(self, grid: Tensor) -> Tensor:
        return self.project(grid)


class AudioToken(nn.Module):
    """A_i: the class token of a small spectrogram transformer, one patch a frame.

    Takes the last frames of the spectrogram (B, n, MEL_FILTERS), in [-1, 1], and which of them are
    valid; older ones that are valid nowhere may be left out.
    """

    def __init__(self, frames: int, width: int, layers: int, heads: int, embedding: int) -> None:
        super().__init__()
        self.patch = nn.Linear(MEL_FILTERS, width)
        self.class_token = nn.Parameter(torch.randn(width) * 0.02)
        self.position = nn.Parameter(torch.randn(frames, width) * 0.02)
        self.encoder = transformer(width, heads, layers)
        self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, embedding))

    def forward(self, spectrogram: Tensor, valid: Tensor) -> Tensor:
        patches = self.patch(spectrogram) + _last(self.position, spectrogram.shape[1])
        first = self.class_token.expand(patches.shape[0], 1, -1)
        ignored = functional.pad(~valid, (1, 0), value=False)
        tokens = torch.cat([first, patches], 1)
        return self.project(first_token(self.encoder, tokens, ignored))


class TemporalFusion(nn.Module):
    """S_i^s: mean over the valid rows t of (W_p x_t) * E_t, element by element.

    Takes right-aligned samples (B, n, dimension), zero where invalid, and which rows are valid;
    older rows that are valid nowhere may be left out. The last row of E_t belongs to the last
    sample.
    """

    def __init__(self, dimension: int, capacity: int, embedding: int) -> None:
        super().__init__()
        self.projection = nn.Linear(dimension, embedding, bias=False)
        # Around one, so that the token starts as a plain mean with some sense of order.
        self.temporal = nn.Parameter(1 + 0.5 * torch.randn(capacity, embedding))

    def forward(self, samples: Tensor, valid: Tensor) -> Tensor:
        weights = _last(self.temporal, samples.shape[1])
        # (W_p x_t) * E_t summed over t is one matrix product, W_p and E_t multiplied beforehand: no
        # sample is ever as wide as the token.
        kernel = weights[:, None] * self.projection.weight.T
        total = samples.flatten(1) @ kernel.flatten(0, 1)
        return total / valid.sum(1, keepdim=True).clamp(min=1)


def resized(images: Tensor, side: int) -> Tensor:
    """uint8 (B, H, W, 3) -> float32 (B, 3, side, side), in [0, 255]."""
    pixels = images.permute(0, 3, 1, 2).float()
    return functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)


def transformer(width: int, heads: int, layers: int, dropout: float = 0.0) -> nn.TransformerEncoder:
    """Self-attention encoder (Vaswani et al. 2017), normalised before each sub-layer."""
    layer = nn.TransformerEncoderLayer(
        width, heads, FEED_FORWARD * width, dropout, "gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def first_token(encoder: nn.TransformerEncoder, tokens: Tensor, ignored: Tensor) -> Tensor:
    """`encoder(tokens)[:, 0]`, of `transformer`: its last layer computes only what is asked for."""
    *others, last = encoder.layers
    for layer in others:
        tokens = layer(tokens, src_key_padding_mask=ignored)
    seen, first = last.norm1(tokens), tokens[:, :1]
    attended, _ = last.self_attn(seen[:, :1], seen, seen, ignored, need_weights=False)
    first = first + last.dropout1(attended)
    hidden = last.dropout(last.activation(last.linear1(last.norm2(first))))
    return (first + last.dropout2(last.linear2(hidden)))[:, 0]


def _last(rows: Tensor, count: int) -> Tensor:
    return rows[rows.shape[0] - count :]
