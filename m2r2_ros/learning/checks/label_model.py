# SPDX-License-Identifier: Apache-2.0
"""How well labels fit what the sensors measured, by models of the other recordings.

For each stream a linear discriminant (Gaussians with one covariance) of each class is fitted to all
recordings but one and asked about that one. The fit of a stream is the mean log probability of its
frames' labels, that of a recording the mean over streams: one bad stream cannot outvote the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from m2r2_ros.learning.checks.usual import spread
from m2r2_ros.learning.profile import CAMERA, RATE_HZ, RecordingProfile, StreamProfile

# A frame's change from a second before and to a second after says more than its value alone.
_CONTEXT = round(RATE_HZ)
# Values are in robust standard deviations, no further than this from the median.
_FURTHEST = 5.0
# The covariance is drawn to its diagonal by this much, for streams of many columns.
_SHRINKAGE = 0.2
# A label is never less probable than this part of an even guess: no frame decides alone.
_LEAST = 0.01


@dataclass(frozen=True)
class LabelFit:
    """One recording of T frames.

    known  int (T,): the class of each frame, -1 where it is unlabelled or in no other recording.
    logs   stream -> float (T, C): log probability of each class by the other recordings.
    """

    name: str
    known: np.ndarray
    logs: dict[str, np.ndarray]

    @property
    def together(self) -> np.ndarray:
        """The mean over streams, float (T, C)."""
        return np.mean(list(self.logs.values()), axis=0)


def fit_labels(
    profiles: Sequence[RecordingProfile],
    classes: Sequence[str],
    rename: Callable[[str], str] = str,
) -> list[LabelFit]:
    """Each recording by models of all others, with labels as `rename` gives them.

    Recordings without a label or without a stream that another one has are left out.
    """
    index = {label: number for number, label in enumerate(classes)}
    known = [np.array([index.get(rename(one), -1) for one in p.labels], int) for p in profiles]
    known = _known_elsewhere(known, len(classes))
    logs: list[dict[str, np.ndarray]] = [{} for _ in profiles]
    for stream in dict.fromkeys(name for profile in profiles for name in profile.streams):
        having = [i for i, profile in enumerate(profiles) if stream in profile.streams]
        if len(having) < 2:
            continue
        features = _features([profiles[i].streams[stream] for i in having])
        sums = [_Sums.of(x, known[i], len(classes)) for x, i in zip(features, having, strict=True)]
        total = sum(sums[1:], sums[0])
        for x, own, i in zip(features, sums, having, strict=True):
            logs[i][stream] = (total - own).log_probabilities(x)
    fits = [LabelFit(p.name, k, each) for p, k, each in zip(profiles, known, logs, strict=True)]
    return [fit for fit in fits if fit.logs and (fit.known >= 0).any()]


def _known_elsewhere(known: Sequence[np.ndarray], classes: int) -> list[np.ndarray]:
    """Without the classes that one recording alone has: the others cannot tell what they are."""
    has = np.array([np.bincount(one[one >= 0], minlength=classes) > 0 for one in known])
    shared = np.append(has.sum(axis=0) > 1, False)
    return [np.where(shared[one], one, -1) for one in known]


def fit_of(logs: np.ndarray, known: np.ndarray, frames_late: int = 0) -> float:
    """Mean log probability of the labels, moved later by so many frames; NaN where there is none.

    A label outside the recording has that of an even guess.
    """
    labelled = np.flatnonzero(known >= 0)
    if not len(labelled):
        return np.nan
    moved = labelled + frames_late
    inside = (moved >= 0) & (moved < len(logs))
    total = logs[moved[inside], known[labelled[inside]]].sum()
    return float(total - np.log(logs.shape[1]) * (~inside).sum()) / len(labelled)


@dataclass(frozen=True)
class _Sums:
    """Of features (T, D): how many frames each class has, their sums (C, D), and all products."""

    counts: np.ndarray
    firsts: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, known: np.ndarray, classes: int) -> _Sums:
        member = (known[:, None] == np.arange(classes)).astype(float)
        labelled = features[known >= 0]
        return cls(member.sum(axis=0), member.T @ features, labelled.T @ labelled)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.counts + other.counts,
            self.firsts + other.firsts,
            self.products + other.products,
        )

    def __sub__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.counts - other.counts,
            self.firsts - other.firsts,
            self.products - other.products,
        )

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Float (T, C) of features (T, D); classes without frames are never probable."""
        there = self.counts > 0
        even = _LEAST / max(1, there.sum())
        logs = np.full((len(features), len(there)), np.log(even))
        if not there.any():
            return logs
        means = self.firsts[there] / self.counts[there, None]
        within = self.products - (means.T * self.counts[there]) @ means
        within /= self.counts.sum()
        diagonal = np.diag(np.diag(within))
        covariance = (1 - _SHRINKAGE) * within + _SHRINKAGE * diagonal + 1e-3 * np.eye(len(within))
        weights = np.linalg.solve(covariance, means.T)
        scores = features @ weights - 0.5 * (means.T * weights).sum(axis=0)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        logs[:, there] = np.log((1 - _LEAST) * scores + even)
        return logs


def _features(streams: Sequence[StreamProfile]) -> list[np.ndarray]:
    """Float (T, D') of each stream: values, changes over a second, and how large those are."""
    filled = [_filled(stream.values) for stream in streams]
    everything = np.concatenate(filled)
    middle = np.median(everything, axis=0)
    scale = np.maximum(spread(everything, axis=0), 0.1 * everything.std(axis=0)) + 1e-9
    return [
        _with_changes(
            np.clip((values - middle) / scale, -_FURTHEST, _FURTHEST), stream.kind == CAMERA
        )
        for stream, values in zip(streams, filled, strict=True)
    ]


def _filled(values: np.ndarray) -> np.ndarray:
    """Without NaN: straight lines over what is missing, 0 in a column that is never there."""
    columns = []
    for column in np.asarray(values, float).T:
        there = np.flatnonzero(np.isfinite(column))
        frames = np.arange(len(column))
        columns.append(np.interp(frames, there, column[there]) if len(there) else 0.0 * frames)
    return np.array(columns).T


def _with_changes(values: np.ndarray, is_camera: bool) -> np.ndarray:
    padded = np.pad(values, ((_CONTEXT, _CONTEXT), (0, 0)), mode="edge")
    ahead = padded[2 * _CONTEXT :] - values
    behind = values - padded[: -2 * _CONTEXT]
    if is_camera:  # Of many columns: that something moves there is enough.
        return np.concatenate([values, np.abs(behind)], axis=1)
    return np.concatenate([values, ahead, behind, np.abs(ahead), np.abs(behind)], axis=1)
