# SPDX-License-Identifier: Apache-2.0
"""The features of a frozen encoder that a policy sees; they look back only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings
from m2r2_ros.networks.roboact.model import VideoBranches
from m2r2_ros.training.roboact.trained import load_video_branches

# What a policy can see by: nothing, the frozen frame encoder alone, a trained encoder.
BLIND, FROZEN, TRAINED = "blind", "frozen", "trained"
_BATCH = 64


@dataclass(frozen=True)
class PolicyEncoder:
    """`run` is that of `m2r2 pretrain --encoder roboact` for a trained encoder, else None."""

    name: str
    kind: str
    run: Path | None = None


class Vision(ABC):
    """Frame embeddings of an episode -> a feature for some of its times."""

    @abstractmethod
    def __call__(self, rows: np.ndarray, times: Sequence[int]) -> Tensor:
        """`rows` float16 (T, C, d) -> float32 (len(times), D); no row after a time is used."""


class Blind(Vision):
    """No feature: the policy works without a camera."""

    def __call__(self, rows: np.ndarray, times: Sequence[int]) -> Tensor:
        return torch.zeros(len(times), 0)


class NewestFrame(Vision):
    """The frozen frame encoder by itself: every camera's newest embedding."""

    def __call__(self, rows: np.ndarray, times: Sequence[int]) -> Tensor:
        return torch.from_numpy(rows[np.asarray(times)].astype(np.float32)).flatten(1)


class VideoFeature(Vision):
    """F_video of a trained encoder, camera by camera, of the window that ends at each time.

    A window is the encoder's count of frames, every `stride`-th; before the episode there were
    none, as at the start of a recording on the robot.
    """

    def __init__(self, video: VideoBranches, stride: int):
        self._video, self._stride = video.eval(), stride

    @torch.no_grad()
    def __call__(self, rows: np.ndarray, times: Sequence[int]) -> Tensor:
        count = self._video.config.frames
        back = self._stride * np.arange(count - 1, -1, -1)
        found = []
        for first in range(0, len(times), _BATCH):
            index = np.asarray(times[first : first + _BATCH])[:, None] - back
            windows = rows[index.clip(0)].astype(np.float32).swapaxes(1, 2)
            valid = np.repeat(index >= 0, rows.shape[1], axis=0)
            frames = torch.from_numpy(windows).flatten(0, 1)
            features = self._video(frames, torch.from_numpy(valid)).video
            found.append(features.reshape(len(index), -1))
        return torch.cat(found)


def open_vision(encoder: PolicyEncoder, settings: ImitationSettings) -> Vision:
    """Raises M2R2Error when the trained encoder cannot be read."""
    if encoder.run is None:
        return Blind() if encoder.kind == BLIND else NewestFrame()
    return VideoFeature(load_video_branches(encoder.run), settings.stride)
