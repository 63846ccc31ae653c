# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP's trained part on a stream of frame embeddings, with the past as explicit state."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from m2r2_ros.networks.roboact.model import VideoBranches


class StreamingWindow(nn.Module):
    """The newest embedding of each camera and the past ones -> F_video of the last T seconds.

    A window holds n frames of the past, every `stride`-th one, the newest frame last; several
    strides look at several lengths of the past. Nothing after the newest frame is used.
    """

    def __init__(self, video: VideoBranches, strides: Sequence[int]) -> None:
        super().__init__()
        self.video, self.strides = video, tuple(strides)
        self.history = (video.config.frames - 1) * max(strides) + 1

    def forward(
        self, embedding: Tensor, present: Tensor, past: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """embedding (C, d), present bool (C,), past (C, history, d), there float (C, history).

        Returns the feature (1, C * strides * 3 width), camera by camera, in each stride by
        stride, and the two states that come next. `there` is 1 where a frame was seen.
        """
        past = torch.cat([past[:, 1:], embedding[:, None]], 1)
        there = torch.cat([there[:, 1:], present[:, None].float()], 1)
        features = []
        for stride in self.strides:
            first = self.history - 1 - stride * (self.video.config.frames - 1)
            chosen = there[:, first::stride] > 0.5
            features.append(self.video(past[:, first::stride], chosen).video)
        return torch.stack(features, 1).reshape(1, -1), past, there
