# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP after its frozen encoders: F_video of sixteen frame embeddings, F_text of a text."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from m2r2_ros.networks.roboact.config import RoboActConfig
from m2r2_ros.networks.roboact.diff_transformer import TemporalDiffTransformer, mlp
from m2r2_ros.networks.roboact.disentanglement import FACTORS, Disentanglement


@dataclass(frozen=True)
class VideoFeatures:
    """`video` F_video (B, 3 width); `attended` F_attn and `branches` by factor (B, width).

    Without disentanglement `attended` is None and there are no branches.
    """

    video: Tensor
    attended: Tensor | None
    branches: dict[str, Tensor]


class VideoBranches(nn.Module):
    """Frame embeddings F_i (B, n, d) -> VideoFeatures, equations (4) to (10) and (23)'s F_video.

    The embeddings are standardised and projected from d to `width` first. Both are linear, so
    (4) and (7) are differences of frame embeddings as printed, seen through one matrix.
    """

    def __init__(self, config: RoboActConfig, dimension: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("std", torch.ones(dimension))
        self.project = nn.Linear(dimension, config.width, bias=False)
        out = config.width if config.disentangle else config.feature_dimension
        self.temporal = TemporalDiffTransformer(config, out)
        if config.disentangle:
            self.disentanglement = Disentanglement(config)

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Of the training frames' embeddings, each (d,)."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, frames: Tensor, valid: Tensor) -> VideoFeatures:
        """`valid` bool (B, n): frames that are there; what the others hold has no influence."""
        held = hold_missing(frames, valid)
        fused, seen = self.temporal(self.project((held - self.mean) / self.std))
        if not self.config.disentangle:
            return VideoFeatures(fused, None, {})
        attended, branches = self.disentanglement(fused, seen)
        video = torch.cat([branches[name] for name in FACTORS], -1)
        return VideoFeatures(video, attended, branches)


class TextBranches(nn.Module):
    """(2): text features CLIPtext (B, d_text) -> F_text (B, 3 width), concatenated as in (23)."""

    def __init__(self, width: int, dimension: int) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({name: mlp(dimension, width) for name in FACTORS})

    def forward(self, text: Tensor) -> Tensor:
        return torch.cat([self.branches[name](text) for name in FACTORS], -1)


def hold_missing(frames: Tensor, valid: Tensor) -> Tensor:
    """Frames (B, n, d) in which a missing one repeats the last before it, or the first there is.

    A camera that gave nothing new has shown no motion: its difference (4) is zero. Where no frame
    is valid all are zero.
    """
    count = frames.shape[1]
    place = torch.arange(count, device=frames.device)
    # usable[b, i, j]: frame j is there and not after i.
    usable = valid[:, None, :] & (place[None, :] <= place[:, None])[None]
    newest = torch.where(usable, place, -1).amax(2)
    oldest = torch.where(valid, place, count - 1).amin(1, keepdim=True)
    chosen = torch.where(newest >= 0, newest, oldest)
    held = frames.gather(1, chosen[..., None].expand(-1, -1, frames.shape[2]))
    return torch.where(valid.any(1)[:, None, None], held, 0.0)
