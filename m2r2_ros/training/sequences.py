# SPDX-License-Identifier: Apache-2.0
"""Feature sequences for head training: read, cropped, delayed, and as padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from m2r2_ros.datasets.frame_outcomes import UNJUDGED
from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import FeatureFolder, LabelledFeatures
from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.training.loop import split_validation
from m2r2_ros.training.sampler import soft_boundaries
from m2r2_ros.vocabulary import Vocabulary, labelled_runs

# Class of padding; torch's cross entropy ignores it.
PADDING = -100
# Features that are held in memory: 60 recordings of Breakfast, which has 25 GB.
KEPT_BYTES = 2**30
# Rows of LabelledFeatures, one a frame.
_A_FRAME = ("features", "labels", "classes", "outcomes", "progress")
# Labels that a line names at most.
_SHOWN_LABELS = 5


class ValidationSettings(Protocol):
    """What the settings of every head say of validation."""

    validation: float
    validation_recordings: tuple[str, ...]


@dataclass(frozen=True)
class SequenceBatch:
    """Sequences of different length, padded at the end.

    features float32 (B, T, D), classes int64 (B, T) with PADDING, soft boundaries float32 (B, T),
    progress float32 (B, T) with NaN and outcomes int64 (B, T) with UNJUDGED where there is none.
    """

    features: Tensor
    classes: Tensor
    boundaries: Tensor
    progress: Tensor
    outcomes: Tensor

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

    A recording with unlabelled frames gives a sequence for each of its labelled parts. Features
    beyond the first KEPT_BYTES stay in their files and are read when they are used; labels and
    stamps, some 35 bytes a frame, are in memory.
    Raises M2R2Error, which names the file, on a file that cannot be used and on features of
    different dimensions, and where there are no labels of the level.
    """
    learned, rename = vocabulary.at(level), vocabulary.levels[level]
    ids = np.array([learned.labels.index(rename(label)) for label in folder.labels])
    # One string a label, not one a frame.
    names_of = {label: rename(label) for label in folder.labels}
    sequences, kept = [], 0
    for name in Progress(names, "reading", unit="recording"):
        whole = folder.read(name)
        kept += whole.features.nbytes
        read = (whole if kept <= KEPT_BYTES else folder.unloaded(whole)).sampled(rate)
        for part in labelled_runs(read.labels):
            renamed = [names_of[label] for label in read.labels[part]]
            features, classes_of = read.features[part], ids[read.classes[part]]
            known = (None if x is None else x[part] for x in (read.stamps_ns, read.outcomes))
            sequences.append(LabelledFeatures(name, features, renamed, classes_of, *known))
    dimensions = {sequence.features.shape[1] for sequence in sequences}
    if len(dimensions) > 1:
        raise M2R2Error(f"{folder.path}: features of different dimensions: {sorted(dimensions)}")
    return sequences, learned


def unlearned(sequences: Sequence[LabelledFeatures], vocabulary: Vocabulary) -> str:
    """Which labels no sequence has, so that no head learns them; "" where all are there."""
    there = {label for sequence in sequences for label in sequence.labels}
    missing = [label for label in vocabulary.labels if label not in there]
    if not missing:
        return ""
    shown = ", ".join(f"'{label}'" for label in missing[:_SHOWN_LABELS])
    more = ", ..." if len(missing) > _SHOWN_LABELS else ""
    return (
        f"{len(missing)} of {len(vocabulary.labels)} labels are in no training recording and "
        f"cannot be learned: {shown}{more}"
    )


def make_batch(sequences: Sequence[LabelledFeatures], boundary_sigma: float) -> SequenceBatch:
    """Pad and stack; a boundary is the first frame of a new label."""
    soft = [
        torch.from_numpy(soft_boundaries(_starts(s.classes), boundary_sigma)) for s in sequences
    ]
    pad = torch.nn.utils.rnn.pad_sequence
    return SequenceBatch(
        pad([torch.from_numpy(np.asarray(s.features)) for s in sequences], batch_first=True),
        pad([torch.from_numpy(s.classes) for s in sequences], True, PADDING),
        pad(soft, batch_first=True),
        pad([_told(s, s.progress, np.nan).float() for s in sequences], True, np.nan),
        pad([_told(s, s.outcomes, UNJUDGED) for s in sequences], True, UNJUDGED),
    )


def _told(sequence: LabelledFeatures, values: np.ndarray | None, none: float) -> Tensor:
    """A value a frame; `none` for each where there are no values."""
    return torch.from_numpy(np.full(len(sequence.classes), none) if values is None else values)


def cropped(sequence: LabelledFeatures, random: np.random.Generator) -> LabelledFeatures:
    """The sequence from a random frame of its first half on: a robot is not switched on at 0."""
    start = int(random.integers(len(sequence.classes) // 2 + 1))
    kept = {name: getattr(sequence, name) for name in _A_FRAME}
    kept = {name: None if rows is None else rows[start:] for name, rows in kept.items()}
    return replace(sequence, **kept, stamps_ns=None)


def delayed(sequence: LabelledFeatures, frames: int) -> LabelledFeatures:
    """The sequence, its features read, with labels `frames` later, for a head with look-ahead.

    The first label stands from the start, the last feature goes on at the end.
    """
    features = np.asarray(sequence.features)
    if not frames:
        return replace(sequence, features=features)
    features = np.pad(features, ((0, frames), (0, 0)), "edge")
    labels = [sequence.labels[0]] * frames + list(sequence.labels)
    told = (sequence.classes, sequence.outcomes, sequence.progress)
    later = (None if rows is None else np.pad(rows, (frames, 0), "edge") for rows in told)
    classes, outcomes, progress = later
    return LabelledFeatures(sequence.name, features, labels, classes, None, outcomes, progress)


def feature_moments(sequences: Sequence[LabelledFeatures]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 (D,), over all frames.

    Sums of squared deviations are merged sequence by sequence (Chan, Golub and LeVeque 1979), so
    that one is in memory at a time.
    """
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for sequence in sequences:
        rows = np.asarray(sequence.features).astype(np.float64)
        own, total = rows.mean(0), count + len(rows)
        squares = squares + np.square(rows - own).sum(0)
        squares += np.square(own - mean) * (count * len(rows) / total)
        mean = mean + (own - mean) * (len(rows) / total)
        count = total
    std = np.maximum(np.sqrt(squares / count), 1e-6)
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def held_out(
    sequences: Sequence[LabelledFeatures], settings: ValidationSettings
) -> tuple[list[LabelledFeatures], list[LabelledFeatures]]:
    """Sequences to train on and for validation, as the settings say; a part of 0: none of these."""
    if not settings.validation and not settings.validation_recordings:
        return list(sequences), []
    training, validation = split_validation(
        [s.name for s in sequences], settings.validation, settings.validation_recordings
    )
    return [sequences[i] for i in training], [sequences[i] for i in validation]


def coarse_membership(vocabulary: Vocabulary) -> Tensor:
    """float32 (C, K): 1 where fine class C belongs to the coarse class K."""
    coarse = [vocabulary.coarse(label) for label in vocabulary.labels]
    names = sorted(set(coarse))
    return torch.tensor([[float(label == name) for name in names] for label in coarse])


def _starts(classes: np.ndarray) -> np.ndarray:
    return np.concatenate([[False], classes[1:] != classes[:-1]])
