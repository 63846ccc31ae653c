# SPDX-License-Identifier: Apache-2.0
"""DiffAct: action sequences generated from noise by a decoder that looks at the recording.

D. Liu, Q. Li, A.-D. Dinh, T. Jiang, M. Shah and C. Xu, "Diffusion Action Segmentation", ICCV 2023.
Departs from it in that features are standardised first, and in that attention beyond the ends of
a recording has no weight at all (the authors' code gives it a millionth).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.networks.heads.diffusion import Diffusion
from m2r2_ros.networks.heads.dilated import (
    DilatedConvolution,
    Dropout,
    Standardise,
    shifted_rows,
)


@dataclass(frozen=True)
class DiffActConfig:
    """Sizes that M2R2's authors give DiffAct; they are its 50Salads sizes but for the scale."""

    # Of the encoder: layers, feature maps, width of a convolution, part set to 0 in training.
    encoder_layers: int = 10
    encoder_channels: int = 64
    encoder_kernel: int = 5
    encoder_dropout: float = 0.5
    # Of whole feature channels and, apart from it, of whole frames.
    feature_dropout: float = 0.5
    # Encoder layers, from 0, whose outputs condition the decoder.
    feature_layers: tuple[int, ...] = (5, 7, 9)
    # The same of the decoder.
    decoder_layers: int = 8
    decoder_channels: int = 24
    decoder_kernel: int = 7
    decoder_dropout: float = 0.1
    # Length of the embedding of a diffusion step.
    time_dimension: int = 512
    # S, steps of the diffusion, and those of them that sampling takes.
    steps: int = 1000
    sampling_steps: int = 25
    # Noise that a sampling step adds: 1 is DDPM's, 0 none (DDIM).
    eta: float = 1.0
    # One-hot labels are stretched to [-scale, scale] before noise is added.
    scale: float = 0.5
    # Frames of the median over time that smooths the sampled posterior; 0 leaves it as it is.
    median_filter: int = 30


class DiffAct(nn.Module):
    """An encoder (T, D) -> class logits and conditions; a decoder that denoises under these."""

    def __init__(self, dimension: int, classes: int, config: DiffActConfig) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        self.diffusion = Diffusion(config.steps, config.scale, config.eta)
        self.standardise = Standardise(dimension)
        channels, dropout = config.encoder_channels, config.encoder_dropout
        self.enter = nn.Linear(dimension, channels)
        self.encoder = nn.ModuleList(
            MixedLayer(channels, 0, config.encoder_kernel, 2**index, dropout)
            for index in range(config.encoder_layers)
        )
        self.classifier = nn.Linear(channels, classes)
        self.decoder = Decoder(len(config.feature_layers) * channels, classes, config)

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (T, D) -> the encoder's own logits (T, C), conditions (T, E): 3.2."""
        x = self.standardise(features)
        if self.training:
            rate = self.config.feature_dropout
            x = x * functional.dropout(torch.ones(1, x.shape[1]), rate)
            x = x * functional.dropout(torch.ones(len(x), 1), rate)
        x, kept = self.enter(x), []
        for index, layer in enumerate(self.encoder):
            x = layer(x)
            if index in self.config.feature_layers:
                kept.append(x)
        return self.classifier(x), torch.cat(kept, 1)

    def decode(self, conditions: Tensor, noisy: Tensor, step: int) -> Tensor:
        """Logits (T, C) of the clean sequence, from a noisy posterior (T, C) in [0, 1]: (3)."""
        return self.decoder(conditions, noisy, step)

    def sample(self, features: Tensor, steps: int, seed: int = 0) -> Tensor:
        """Posterior (T, C) generated from the noise of `seed`, in `steps` strides: 3.4."""
        _, conditions = self.encode(features)

        def denoise(noisy: Tensor, step: int) -> Tensor:
            return self.decode(conditions, noisy, step).softmax(-1)

        return self.diffusion.sample(denoise, (len(features), self.classes), steps, seed)


class Decoder(nn.Module):
    """Conditions (T, E), a noisy posterior (T, C) and its step -> logits (T, C)."""

    def __init__(self, conditions: int, classes: int, config: DiffActConfig) -> None:
        super().__init__()
        channels, width = config.decoder_channels, config.time_dimension
        self.time_dimension = width
        self.time = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.time_enter = nn.Linear(width, channels)
        self.enter = nn.Linear(classes, channels)
        self.layers = nn.ModuleList(
            MixedLayer(channels, conditions, config.decoder_kernel, 2**i, config.decoder_dropout)
            for i in range(config.decoder_layers)
        )
        self.leave = nn.Linear(channels, classes)

    def forward(self, conditions: Tensor, noisy: Tensor, step: int) -> Tensor:
        time = self.time(step_embedding(step, self.time_dimension))
        x = self.enter(noisy) + self.time_enter(time)
        for layer in self.layers:
            x = layer(x, conditions)
        return self.leave(x)


class MixedLayer(nn.Module):
    """Dilated convolution and attention over the same few frames, added: after ASFormer.

    x (T, C) and, for the decoder, conditions (T, E), which queries and keys see too.
    """

    def __init__(
        self, channels: int, conditions: int, kernel: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.dropout = Dropout(dropout)
        self.dilated = DilatedConvolution(channels, channels, kernel, dilation)
        self.query = nn.Linear(channels + conditions, channels)
        self.key = nn.Linear(channels + conditions, channels)
        self.value = nn.Linear(channels, channels)
        self.mix = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels)
        )

    def forward(self, x: Tensor, conditions: Tensor | None = None) -> Tensor:
        own = self.dropout(x)
        seen = own if conditions is None else torch.cat([own, self.dropout(conditions)], 1)
        mixed = self.dilated(own) + self._attend(own, seen)
        return x + self.mix(_standardised_over_time(mixed))

    def _attend(self, x: Tensor, seen: Tensor) -> Tensor:
        keys = _Neighbours.apply(self.key(seen), self.kernel, self.dilation)
        values = _Neighbours.apply(self.value(x), self.kernel, self.dilation)
        scores = (self.query(seen)[:, None] * keys).sum(-1) / math.sqrt(x.shape[1])
        middle = self.kernel // 2
        place = torch.arange(len(x))[:, None] + self.dilation * torch.arange(-middle, middle + 1)
        weights = scores.masked_fill((place < 0) | (place >= len(x)), -torch.inf).softmax(-1)
        return (weights[..., None] * values).sum(1)


def step_embedding(step: int, dimension: int) -> Tensor:
    """Sines and cosines of the step at falling frequencies, float32 (dimension,), even."""
    half = dimension // 2
    frequencies = (torch.arange(half) * (-math.log(10000) / (half - 1))).exp()
    return torch.cat([(step * frequencies).sin(), (step * frequencies).cos()])


def median_over_time(values: np.ndarray, size: int) -> np.ndarray:
    """Median of each column of (T, C) over `size` frames around each, mirrored at the ends.

    Of an even number, the upper one of the two middle values, as in scipy's median filter.
    """
    padded = np.pad(values, ((size // 2, size - 1 - size // 2), (0, 0)), "symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=0)
    # One class at a time: the copy that partition makes is `size` times as large as its input.
    columns = [
        np.partition(windows[:, c], size // 2, axis=-1)[:, size // 2]
        for c in range(windows.shape[1])
    ]
    return np.stack(columns, 1)


def _standardised_over_time(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, 0, correction=0)
    return (x - mean) * (variance + 1e-5).rsqrt()


class _Neighbours(torch.autograd.Function):
    """(T, C) -> (T, K, C): the K frames around each at distances of `dilation`, 0 beyond ends."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: int, dilation: int) -> Tensor:
        ctx.shifts = shifted_rows(kernel, dilation, len(x))
        near = x.new_zeros(len(x), kernel, x.shape[1])
        for k, (to, source) in enumerate(ctx.shifts):
            near[to, k] = x[source]
        return near

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        to_x = gradient.new_zeros(len(gradient), gradient.shape[2])
        for k, (to, source) in enumerate(ctx.shifts):
            to_x[source] += gradient[to, k]
        return to_x, None, None
