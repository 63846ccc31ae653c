# SPDX-License-Identifier: Apache-2.0
"""The segment tracker's parameters, chosen on recordings that its head was not trained on.

What makes segments right, waiting until a label has won for a while, is what makes them late. How
late is measured on the activity: its object can often not be known before the arm is there, and a
bound on that delay would choose a tracker that guesses. An action that is not recognised counts as
one that is recognised at its end.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from m2r2_ros.datasets.frame_rate import ASSUMED_HZ
from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.evaluation.delay import beliefs_from_frames, timeliness
from m2r2_ros.evaluation.frame_times import edges_from_stamps, segments_from_frames
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.evaluation.predictions import Prediction
from m2r2_ros.evaluation.streamed_predictions import nominal_stamps, track
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.tracker import SegmentTracker
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

# What is tried, one group after the other: all combinations within it, the rest as found best so
# far. Waiting always and waiting in doubt compete for the same time. Seconds are moved between two
# frames' stamps (`_between_frames`): on one of them, the jitter of a camera would decide.
_TRIED = (
    {"confirm_s": (0.05, 0.15, 0.25, 0.35, 0.45, 0.55), "sure_above": (0.0, 0.8, 0.9, 0.95, 0.98)},
    {"boundary_trust": (0.3, 0.6), "hysteresis": (0.1, 0.25)},
    {"patience_s": (0.95, 1.95)},
)
_OBJECT_UNKNOWN_BELOW = (0.15, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
# So much above the bound on delay costs a point of F1@50, twice as much four. A bound that is a
# wall gives another tracker for a hundredth of a second, which few recordings can tell from none.
_LATE_S = 0.02


@dataclass(frozen=True)
class Answers:
    """A head's answers on a recording of T frames, and the true labels.

    probabilities float32 (T, C) and boundary float32 (T,) are about the frames that `truth` names;
    a head with look-ahead gives them `late` frames later. stamps_ns int64 (T,) are the frames'
    ends; None: evenly spaced. rate_hz: frames a second.
    """

    name: str
    probabilities: np.ndarray
    boundary: np.ndarray
    truth: list[str]
    late: int = 0
    stamps_ns: np.ndarray | None = None
    rate_hz: float = ASSUMED_HZ

    @property
    def ends_ns(self) -> np.ndarray:
        """The frames' ends, by their rate where no stamps are known."""
        if self.stamps_ns is None:
            return nominal_stamps(len(self.truth), self.rate_hz)
        return self.stamps_ns


def answers_of(head: StreamingHead, recording: LabelledFeatures) -> Answers:
    """What an exported head says of a recording; of the last frames it says what it said last."""
    rate_hz = head.metadata.rate_hz or ASSUMED_HZ
    late, features = head.metadata.look_ahead, np.asarray(recording.features)
    head.reset()
    padded = np.concatenate([features, features[-1:].repeat(late, axis=0)])
    told = (values[late:] for values in head.run(padded))
    labels = list(recording.labels)
    return Answers(recording.name, *told, labels, late, recording.stamps_ns, rate_hz)


@dataclass(frozen=True)
class TunedTracker:
    """A tracker's parameters, its F1@50 in percent and its mean delays over all true actions [s].

    held           frames at which a planner holds the right label, in percent.
    delay_s        until the activity is held.
    label_delay_s  until the whole label is.
    recognised     true actions whose whole label is held while they last, in percent.
    procedure      what the tracker decides by beside the head; None: by waiting.
    """

    config: TrackerConfig
    f1: float
    held: float
    delay_s: float
    label_delay_s: float
    recognised: float
    procedure: Procedure | None = None

    def worth(self, most_delay_s: float) -> float:
        """F1@50 less what the delay above a bound costs."""
        return self.f1 - (max(0.0, self.delay_s - most_delay_s) / _LATE_S) ** 2


def tune_tracker(
    answers: Sequence[Answers], vocabulary: Vocabulary, start: TrackerConfig, most_delay_s: float
) -> TunedTracker:
    """Of a tracker that waits, the parameters that are worth most: by F1@50, and the mean decision
    delay above `most_delay_s`.

    All but the tuned parameters are as in `start`.
    A search of one group of parameters after the other, until none finds better; then when an
    object is named (`tune_naming`).
    """
    scores: dict[TrackerConfig, TunedTracker] = {}
    rate_hz = max((one.rate_hz for one in answers), default=ASSUMED_HZ)

    def score(config: TrackerConfig) -> TunedTracker:
        if config not in scores:
            scores[config] = score_tracker(answers, vocabulary, config)
            progress.update()
        return scores[config]

    with Progress(desc="tracker", unit=" tried") as progress:
        best, before = start, None
        while best != before:
            before = best
            for group in _TRIED:
                tried = _combinations(_between_frames(group, rate_hz))
                found = [score(replace(best, **values)) for values in tried]
                # Of equal ones the soonest.
                best = max(found, key=lambda one: (one.worth(most_delay_s), -one.delay_s)).config
        return tune_naming(scores[best], vocabulary, score)


def tune_naming(
    one: TunedTracker, vocabulary: Vocabulary, score: Callable[[TrackerConfig], TunedTracker]
) -> TunedTracker:
    """With the least share of an object that has the highest mean of F1@50 and what is held.

    F1@50 alone would name all objects at their actions' ends, where it costs nothing.
    """
    if not vocabulary.has_objects:
        return one
    tried = [score(replace(one.config, object_unknown_below=s)) for s in _OBJECT_UNKNOWN_BELOW]
    return max(tried, key=lambda one: one.f1 + one.held)


def score_tracker(
    answers: Sequence[Answers],
    vocabulary: Vocabulary,
    config: TrackerConfig,
    procedure: Procedure | None = None,
) -> TunedTracker:
    """F1@50 and mean decision delays of what a tracker would publish."""
    tracker = SegmentTracker(vocabulary, config, procedure=procedure)
    told = []
    for one in answers:
        found = track(tracker, one.probabilities, one.boundary, one.ends_ns)
        told.append((found.published, ([UNKNOWN] * one.late + found.held)[: len(one.truth)]))
    return replace(score_labels(answers, told, vocabulary), config=config, procedure=procedure)


def score_labels(
    answers: Sequence[Answers],
    told: Sequence[tuple[list[str], list[str]]],
    vocabulary: Vocabulary,
) -> TunedTracker:
    """The same of labels of frames: those published with hindsight, and those held at each one."""
    predictions, right, frames = [], 0, 0
    for one, (published, held) in zip(answers, told, strict=True):
        edges = edges_from_stamps(one.ends_ns, one.rate_hz)
        right += sum(map(str.__eq__, held, one.truth))
        frames += len(one.truth)
        believed = beliefs_from_frames(held, edges)
        predictions.append(
            Prediction(
                one.name, published, one.truth, believed, edges_s=edges, idle=vocabulary.idle
            )
        )
    activities = [prediction.renamed(vocabulary.coarse) for prediction in predictions]
    f1 = score_many([(p.labels, p.truth) for p in predictions])["f1@50"]
    delay_s, (label_delay_s, recognised) = _lateness(activities)[0], _lateness(predictions)
    held_share = 100.0 * right / max(frames, 1)
    return TunedTracker(TrackerConfig(), f1, held_share, delay_s, label_delay_s, recognised)


def _lateness(predictions: Sequence[Prediction]) -> tuple[float, float]:
    """Mean delay over all true actions and percent recognised; 0 and 100 where there is none."""
    delays, recognised = [], []
    for one in predictions:
        actions = [s for s in segments_from_frames(one.truth, one.edges) if s.label not in one.idle]
        found = timeliness(one.believed, actions).delays_s
        recognised += [delay is not None for delay in found]
        delays += [
            action.end_s - action.start_s if delay is None else delay
            for action, delay in zip(actions, found, strict=True)
        ]
    if not delays:
        return 0.0, 100.0
    return float(np.mean(delays)), 100.0 * float(np.mean(recognised))


def _between_frames(
    group: Mapping[str, Sequence[float]], rate_hz: float
) -> dict[str, Sequence[float]]:
    """The group with its seconds, names that end on _s, in the middle between two frames."""

    def moved(seconds: float) -> float:
        return (math.floor(seconds * rate_hz) + 0.5) / rate_hz

    return {
        name: sorted({moved(value) for value in values}) if name.endswith("_s") else values
        for name, values in group.items()
    }


def _combinations(group: Mapping[str, Sequence[float]]) -> Iterator[dict[str, float]]:
    for values in itertools.product(*group.values()):
        yield dict(zip(group, values, strict=True))
