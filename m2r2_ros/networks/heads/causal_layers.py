# SPDX-License-Identifier: Apache-2.0
"""Dilated layers that look back only, with the past as a state, for several networks side by side.

Members are groups of channels that see nothing of one another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from m2r2_ros.networks.heads.dilated import Dropout

KERNEL = 3


class CausalLayer(nn.Module):
    """Residual dilated convolution over [state, x]; returns the last inputs as the next state."""

    def __init__(self, channels: int, dilation: int, dropout: float, members: int = 1) -> None:
        super().__init__()
        self.look_back = (KERNEL - 1) * dilation
        self.dilated = apart(channels, channels, members, KERNEL, dilation)
        self.mix = apart(channels, channels, members)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        past = torch.cat([state, x], -1)
        y = self.mix(torch.relu(self.dilated(past)))
        return x + self.dropout(y), past[..., -self.look_back :]


def apart(inputs: int, outputs: int, members: int, kernel: int = 1, dilation: int = 1) -> nn.Conv1d:
    """A convolution from `inputs` to `outputs` channels of each member."""
    return nn.Conv1d(inputs * members, outputs * members, kernel, dilation=dilation, groups=members)
