# SPDX-License-Identifier: Apache-2.0
"""What a method says of a recording, whatever the method is, beside what is true."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from m2r2_ros.datasets.frame_rate import ASSUMED_HZ
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.delay import held_at, summary, timeliness
from m2r2_ros.evaluation.frame_times import nominal_edges, segments_from_frames
from m2r2_ros.evaluation.metrics import boundary_f1, find_boundaries, score_many
from m2r2_ros.evaluation.outlook import ToldOutlook
from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.vocabulary import UNKNOWN, labelled_runs

# Two boundaries this close to each other are one.
BOUNDARY_TOLERANCE_S = 0.5
# The labels that are scored: the segments as published, with hindsight; what a planner held at each
# frame; the most probable class of each frame, without segment tracker or refinement.
READINGS = ("published", "held", "raw")
# M2R2, IV-B: a boundary is detected within a second.
DETECTION_TOLERANCE_S = 1.0


@dataclass(frozen=True)
class Prediction:
    """One recording of T frames.

    labels, truth  T labels each.
    believed       for a causal method: what a planner believed and when, in order of time.
    classes        the C classes of `probabilities`, () without them.
    probabilities  float (T, C), rows sum to 1; None when the method has none.
    edges_s        float64 (T + 1,): frame i is `[edges_s[i], edges_s[i + 1])`; None: they come
                   evenly.
    idle           labels that say that nothing is done; a planner takes silence for the first.
    rate_hz        frames a second.
    outlook        what a causal head told of progress and outcomes.
    """

    name: str
    labels: list[str]
    truth: list[str]
    believed: list[Segment] | None = None
    classes: tuple[str, ...] = ()
    probabilities: np.ndarray | None = None
    edges_s: np.ndarray | None = None
    idle: tuple[str, ...] = ()
    rate_hz: float = ASSUMED_HZ
    outlook: ToldOutlook | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.truth):
            raise M2R2Error(
                f"{self.name}: the prediction has {len(self.labels)} frames, the ground truth "
                f"{len(self.truth)}"
            )

    def read_as(self, reading: str) -> Prediction:
        """With other labels: one of READINGS.

        Raw ones announce nothing. Raises M2R2Error where the method does not give what is read.
        """
        if reading == "published":
            return self
        if reading == "held":
            if self.believed is None:
                raise M2R2Error(f"{self.name}: no planner holds labels that see a whole recording")
            return replace(self, labels=self.held)
        if self.probabilities is None:
            raise M2R2Error(f"{self.name}: a raw reading takes probabilities, and it has none")
        labels = [self.classes[index] for index in self.probabilities.argmax(1)]
        return replace(self, labels=labels, believed=None)

    def labelled_parts(self) -> list[Prediction]:
        """The stretches without unlabelled frames, each as a recording of its own."""
        runs = labelled_runs(self.truth)
        if runs == [slice(0, len(self.truth))]:
            return [self]
        return [self._part(run) for run in runs]

    def _part(self, run: slice) -> Prediction:
        edges, believed, probabilities = self.edges, self.believed, self.probabilities
        start_s, end_s = float(edges[run.start]), float(edges[run.stop])
        return replace(
            self,
            name=f"{self.name} [{run.start}:{run.stop}]",
            labels=self.labels[run],
            truth=self.truth[run],
            believed=None
            if believed is None
            else [one for one in believed if one.end_s > start_s and one.start_s < end_s],
            probabilities=None if probabilities is None else probabilities[run],
            edges_s=edges[run.start : run.stop + 1],
        )

    def renamed(self, rename: Callable[[str], str]) -> Prediction:
        """The same with other labels, e.g. coarse ones; classes of one new name are added up."""
        names = [rename(name) for name in self.classes]
        classes = tuple(dict.fromkeys(names))
        probabilities = self.probabilities
        if probabilities is not None:
            member = np.array([[name == other for other in classes] for name in names], float)
            probabilities = probabilities @ member
        return replace(
            self,
            labels=list(map(rename, self.labels)),
            truth=list(map(rename, self.truth)),
            believed=None
            if self.believed is None
            else [one._replace(label=rename(one.label)) for one in self.believed],
            classes=classes,
            probabilities=probabilities,
        )

    @property
    def edges(self) -> np.ndarray:
        """`edges_s`, or those of evenly spaced frames."""
        if self.edges_s is None:
            return nominal_edges(len(self.truth), self.rate_hz)
        return self.edges_s

    @property
    def held(self) -> list[str]:
        """The label that a planner held at the end of each frame; idle where it had none.

        Where no label is idle, "unknown", which is wrong.
        """
        silence = next(iter(self.idle), UNKNOWN)
        return held_at(self.believed or (), self.edges[1:], silence)


def score_predictions(
    predictions: Sequence[Prediction], background: Collection[str] = ()
) -> dict[str, float | None]:
    """Metrics in percent: those of `score_many`, f1@50_actions and boundary_f1.

    dr, dr_truth   of boundaries within `DETECTION_TOLERANCE_S`, in whole frames.
    f1@50_actions  F1@50 without idle segments.
    boundary_f1    of boundaries matched one to one within `BOUNDARY_TOLERANCE_S`.

    For a causal method also what a planner had of it, without hindsight: `held_acc` and
    `held_f1@50` of the label held at the end of each frame, and `delay.summary` over the true
    actions, idle and background left out. "unknown" is wrong, and a segment. Unlabelled frames are
    left out; what is left on either side counts as two recordings.
    """
    predictions = [part for each in predictions for part in each.labelled_parts()]
    pairs = [(p.labels, p.truth) for p in predictions]
    idle = {*background, *(label for p in predictions for label in p.idle)}
    frames = max((round(DETECTION_TOLERANCE_S * p.rate_hz) for p in predictions), default=0)
    scores: dict[str, float | None] = dict(score_many(pairs, background, tolerance=max(1, frames)))
    scores["f1@50_actions"] = score_many(pairs, idle)["f1@50"]
    scores["boundary_f1"] = boundary_f1(map(_boundaries, predictions), BOUNDARY_TOLERANCE_S)
    causal = [p for p in predictions if p.believed is not None]
    if causal:
        held = score_many([(p.held, p.truth) for p in causal], background)
        scores |= {f"held_{name}": held[name] for name in ("acc", "f1@50")}
        scores |= summary(
            timeliness(p.believed, segments_from_frames(p.truth, p.edges), idle, p.classes)
            for p in causal
        )
    return scores


def _boundaries(prediction: Prediction) -> tuple[list[float], list[float]]:
    edges = prediction.edges
    return tuple(edges[find_boundaries(x)].tolist() for x in (prediction.labels, prediction.truth))
