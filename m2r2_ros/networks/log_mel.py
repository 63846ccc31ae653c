# SPDX-License-Identifier: Apache-2.0
"""Log-mel spectrogram as matrix products, so that it lives inside the exported graph (III-B)."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

WINDOW = 400
HOP = 160
MEL_FILTERS = 64
# Below the quietest step of 16 bit audio; keeps the logarithm of silence finite.
POWER_FLOOR = 1e-10


class LogMel(nn.Module):
    """Right-aligned audio float32 (B, capacity) -> dB, float32 (B, frames, MEL_FILTERS).

    The last frame ends at the last sample; frames that begin before the audio see zeros there.
    """

    def __init__(self, rate_hz: int, capacity: int) -> None:
        super().__init__()
        self.frames = frame_count(capacity)
        self.padding = WINDOW + (self.frames - 1) * HOP - capacity
        self.register_buffer("fourier", _fourier(), persistent=False)
        filters = mel_filters(rate_hz)
        self.register_buffer("filters", torch.from_numpy(filters).float(), persistent=False)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(audio, (self.padding, 0))
        spectrum = functional.conv1d(padded[:, None], self.fourier, stride=HOP)
        real, imaginary = spectrum.chunk(2, dim=1)
        power = (real**2 + imaginary**2).transpose(1, 2) @ self.filters.T
        return 10 * torch.log10(power.clamp(min=POWER_FLOOR))

    def valid_frames(self, audio_length: torch.Tensor) -> torch.Tensor:
        """bool (B, frames): the frames that hold at least one of the `audio_length` samples."""
        beyond_first = (audio_length - WINDOW).clamp(min=0)
        count = 1 + torch.div(beyond_first + HOP - 1, HOP, rounding_mode="floor")
        return right_aligned(count * (audio_length > 0), self.frames)


def frame_count(samples: int) -> int:
    """Frames that it takes to cover `samples`."""
    return 1 + -(-max(samples - WINDOW, 0) // HOP)


def right_aligned(length: torch.Tensor, capacity: int) -> torch.Tensor:
    """bool (B, capacity): the last `length` of the rows."""
    rows = torch.arange(capacity, device=length.device)
    return rows[None] >= capacity - length[:, None]


def mel_filters(rate_hz: int) -> np.ndarray:
    """Triangular filters (MEL_FILTERS, WINDOW // 2 + 1), even on the mel scale of HTK."""
    frequencies = np.arange(WINDOW // 2 + 1) * rate_hz / WINDOW
    edges = _hertz(np.linspace(0, _mel(rate_hz / 2), MEL_FILTERS + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - low) / (centre - low)
    falling = (high - frequencies) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling))


def _mel(hertz: float | np.ndarray) -> float | np.ndarray:
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)


def _fourier() -> torch.Tensor:
    """Discrete Fourier transform of a Hann window as convolution kernels (2 bins, 1, WINDOW)."""
    time = np.arange(WINDOW)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * time / WINDOW)
    phase = 2 * np.pi * np.outer(np.arange(WINDOW // 2 + 1), time) / WINDOW
    kernels = np.concatenate([np.cos(phase), -np.sin(phase)]) * hann
    return torch.from_numpy(kernels[:, None]).float()
