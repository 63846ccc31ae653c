# SPDX-License-Identifier: Apache-2.0
"""Clips as batches of frame embeddings with their sentence and classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from m2r2_ros.datasets.clips import Clip
from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.roboact.disentanglement import FACTORS
from m2r2_ros.training.roboact.embeddings import Video, VideoEmbeddings


@dataclass(frozen=True)
class FactorClasses:
    """The classes of each factor, sorted, and the sentence of every pair that is known."""

    classes: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, clips: Iterable[Clip]) -> FactorClasses:
        """All that the clips name."""
        clips = list(clips)
        return cls({name: tuple(sorted({getattr(c, name) for c in clips})) for name in FACTORS})

    def counts(self) -> dict[str, int]:
        """Number of classes by factor."""
        return {name: len(texts) for name, texts in self.classes.items()}

    def index(self, clips: Sequence[Clip]) -> dict[str, Tensor]:
        """Class of each clip (B,) by factor; -1 where it is not in the vocabulary."""
        found = {}
        for name, texts in self.classes.items():
            place = {text: index for index, text in enumerate(texts)}
            found[name] = torch.tensor([place.get(getattr(clip, name), -1) for clip in clips])
        return found


@dataclass(frozen=True)
class ClipBatch:
    """`frames` float32 (B, n, d): F_i of each clip's sampled frames."""

    clips: list[Clip]
    frames: Tensor


class ClipSampler:
    """Draws batches of clips, n frames each, spread evenly from first to last (II-B2)."""

    def __init__(
        self, clips: Sequence[Clip], videos: Mapping[Video, VideoEmbeddings], frames: int
    ) -> None:
        """Raises M2R2Error when a clip begins after the last frame of its video."""
        self.clips, self._frames = list(clips), frames
        self._videos = [videos[clip.path, clip.camera] for clip in clips]
        for clip, video in zip(self.clips, self._videos, strict=True):
            if clip.start_s > video.times_s[-1]:
                raise M2R2Error(
                    f"{clip.path}: a clip begins at {clip.start_s:.2f} s, "
                    f"the last frame is at {video.times_s[-1]:.2f} s"
                )

    def epoch(
        self, random: np.random.Generator, batch_size: int, jitter: float
    ) -> list[Callable[[], ClipBatch]]:
        """Every clip once in random order, as batches to be made.

        A clip begins and ends off its borders by up to `jitter` of its length.
        """
        order = random.permutation(len(self.clips))
        moved = random.uniform(-jitter, jitter, (len(order), 2))
        starts = range(0, len(order), batch_size)
        return [
            partial(self.batch, order[i : i + batch_size], moved[i : i + batch_size])
            for i in starts
        ]

    def batch(self, chosen: Sequence[int], moved: np.ndarray) -> ClipBatch:
        """The clips `chosen` (B,), their borders off by `moved` (B, 2) of their length."""
        frames = [self._sample(i, *offsets) for i, offsets in zip(chosen, moved, strict=True)]
        return ClipBatch([self.clips[i] for i in chosen], torch.from_numpy(np.stack(frames)))

    def ordered(self, batch_size: int) -> list[Callable[[], ClipBatch]]:
        """Every clip once, in order, as it is."""
        starts = range(0, len(self.clips), batch_size)
        parts = [range(i, min(i + batch_size, len(self.clips))) for i in starts]
        return [partial(self.batch, part, np.zeros((len(part), 2))) for part in parts]

    def _sample(self, index: int, start: float, end: float) -> np.ndarray:
        clip, video = self.clips[index], self._videos[index]
        last_s = float(video.times_s[-1])
        end_s = last_s if clip.end_s is None else min(clip.end_s, last_s)
        length_s = end_s - clip.start_s
        rows = nearest_frames(
            video.times_s,
            np.linspace(clip.start_s + start * length_s, end_s + end * length_s, self._frames),
        )
        return video.rows[rows].astype(np.float32)


def nearest_frames(times_s: np.ndarray, wanted_s: np.ndarray) -> np.ndarray:
    """Index of the frame nearest to each wanted time; `times_s` ascending and not empty."""
    after = np.searchsorted(times_s, wanted_s).clip(1, max(len(times_s) - 1, 1))
    before = after - 1
    after = after.clip(max=len(times_s) - 1)
    nearer = times_s[after] - wanted_s < wanted_s - times_s[before]
    return np.where(nearer, after, before)
