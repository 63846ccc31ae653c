# SPDX-License-Identifier: Apache-2.0
"""The diffusion of DiffAct: noise added to action sequences, and DDIM sampling that removes it.

Sequences are class posteriors (T, C) in [0, 1]; inside, they are scaled to [-scale, scale].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

# Offset and largest beta of the cosine schedule (Nichol and Dhariwal 2021, (17)).
_OFFSET, _LARGEST_BETA = 0.008, 0.999

# Noisy posterior (T, C) in [0, 1] and its step -> the clean posterior (T, C).
Denoiser = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Diffusion:
    """`steps` S of the diffusion; `scale` sets the signal-to-noise ratio; `eta` (0 to 1) is how
    much noise sampling adds anew."""

    steps: int
    scale: float
    eta: float

    def kept(self) -> Tensor:
        """float64 (S,): the share of the signal's power that is left at each step."""
        time = torch.arange(self.steps + 1, dtype=torch.float64) / self.steps
        level = ((time + _OFFSET) / (1 + _OFFSET) * math.pi / 2).cos() ** 2
        betas = (1 - level[1:] / level[:-1]).clamp(max=_LARGEST_BETA)
        return (1 - betas).cumprod(0)

    def add_noise(self, clean: Tensor, step: int, noise: Tensor) -> Tensor:
        """The sequence at `step` (0 to S - 1), as the decoder sees it: DiffAct, (1)."""
        kept = float(self.kept()[step])
        noisy = math.sqrt(kept) * self._scaled(clean) + math.sqrt(1 - kept) * noise
        return self._unscaled(noisy)

    def sample(self, denoise: Denoiser, shape: tuple[int, int], steps: int, seed: int) -> Tensor:
        """From noise to a posterior in `steps` <= S strides (DDIM, (12) and (16)); one a seed."""
        random = torch.Generator().manual_seed(seed)
        levels = [*self.kept().tolist(), 1.0]
        times = torch.linspace(-1, self.steps - 1, steps + 1).int().tolist()[::-1]
        noisy = torch.randn(shape, generator=random)
        clean = torch.full(shape, 0.5)
        for time, following in pairwise(times):
            clean = denoise(self._unscaled(noisy), time)
            # Index -1 is the last entry of `levels`: no noise is left.
            kept, target = levels[time], levels[following]
            noise = (noisy - math.sqrt(kept) * self._scaled(clean)) / math.sqrt(1 - kept)
            fresh = self.eta**2 * (1 - kept / target) * (1 - target) / (1 - kept)
            noisy = math.sqrt(target) * self._scaled(clean)
            noisy += math.sqrt(max(0.0, 1 - target - fresh)) * noise
            noisy += math.sqrt(fresh) * torch.randn(shape, generator=random)
        return clean

    def _scaled(self, posterior: Tensor) -> Tensor:
        return (posterior * 2 - 1) * self.scale

    def _unscaled(self, noisy: Tensor) -> Tensor:
        return (noisy.clamp(-self.scale, self.scale) / self.scale + 1) / 2
