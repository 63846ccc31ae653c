# SPDX-License-Identifier: Apache-2.0
"""Feature sequences for head training: read, cropped, delayed, and as padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import FeatureFolder, LabelledFeatures
from m2r2_ros.errors import M2R2Error
from m2r2_ros.training.sampler import soft_boundaries
from m2r2_ros.vocabulary import Vocabulary, labelled_runs

# Class of padding; torch's cross entropy ignores it.
PADDING = -100


@dataclass(frozen=True)
class SequenceBatch:
    """Sequences of different length, padded at the end.

    features float32 (B, T, D), classes int64 (B, T) with PADDING, soft boundaries float32 (B, T).
    """

    features: Tensor
    classes: Tensor
    boundaries: Tensor

    @property
    def present(self) -> Tensor:
        """bool (B, T): False in the padding."""
        return self.classes != PADDING


def read_sequences(
    folder: FeatureFolder,
    names: Sequence[str],
    vocabulary: Vocabulary,
    level: str = "fine",
    rate: FrameRate = FrameRate(),  # noqa: B008 (frozen)
) -> tuple[list[LabelledFeatures], Vocabulary]:
    """The frames that a head takes and their classes at a level of the folder's vocabulary.

    A recording with unlabelled frames gives a sequence for each of its labelled parts.
    Raises M2R2Error, which names the file, on a file that cannot be used and on features of
    different dimensions, and where there are no labels of the level.
    """
    learned, rename = vocabulary.at(level), vocabulary.levels[level]
    ids = np.array([learned.labels.index(rename(label)) for label in folder.labels])
    sequences = []
    for name in names:
        read = folder.read(name).sampled(rate)
        for part in labelled_runs(read.labels):
            renamed = list(map(rename, read.labels[part]))
            features, classes_of = read.features[part], ids[read.classes[part]]
            stamps_ns = None if read.stamps_ns is None else read.stamps_ns[part]
            sequences.append(LabelledFeatures(name, features, renamed, classes_of, stamps_ns))
    dimensions = {sequence.features.shape[1] for sequence in sequences}
    if len(dimensions) > 1:
        raise M2R2Error(f"{folder.path}: features of different dimensions: {sorted(dimensions)}")
    return sequences, learned


def make_batch(sequences: Sequence[LabelledFeatures], boundary_sigma: float) -> SequenceBatch:
    """Pad and stack; a boundary is the first frame of a new label."""
    soft = [
        torch.from_numpy(soft_boundaries(_starts(s.classes), boundary_sigma)) for s in sequences
    ]
    pad = torch.nn.utils.rnn.pad_sequence
    return SequenceBatch(
        pad([torch.from_numpy(s.features) for s in sequences], batch_first=True),
        pad([torch.from_numpy(s.classes) for s in sequences], True, PADDING),
        pad(soft, batch_first=True),
    )


def cropped(sequence: LabelledFeatures, random: np.random.Generator) -> LabelledFeatures:
    """The sequence from a random frame of its first half on: a robot is not switched on at 0."""
    start = int(random.integers(len(sequence.classes) // 2 + 1))
    parts = (sequence.features, sequence.labels, sequence.classes)
    return LabelledFeatures(sequence.name, *(part[start:] for part in parts))


def delayed(sequence: LabelledFeatures, frames: int) -> LabelledFeatures:
    """The sequence with labels `frames` later, for a head with look-ahead.

    The first label stands from the start, the last feature goes on at the end.
    """
    if not frames:
        return sequence
    features = np.pad(sequence.features, ((0, frames), (0, 0)), "edge")
    classes = np.pad(sequence.classes, (frames, 0), "edge")
    labels = [sequence.labels[0]] * frames + list(sequence.labels)
    return LabelledFeatures(sequence.name, features, labels, classes)


def feature_moments(sequences: Sequence[LabelledFeatures]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 (D,), over all frames."""
    frames = np.concatenate([sequence.features for sequence in sequences]).astype(np.float64)
    mean, std = frames.mean(0), np.maximum(frames.std(0), 1e-6)
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def coarse_membership(vocabulary: Vocabulary) -> Tensor:
    """float32 (C, K): 1 where fine class C belongs to the coarse class K."""
    coarse = [vocabulary.coarse(label) for label in vocabulary.labels]
    names = sorted(set(coarse))
    return torch.tensor([[float(label == name) for name in names] for label in coarse])


def _starts(classes: np.ndarray) -> np.ndarray:
    return np.concatenate([[False], classes[1:] != classes[:-1]])
