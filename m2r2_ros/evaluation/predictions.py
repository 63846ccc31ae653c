# SPDX-License-Identifier: Apache-2.0
"""What a method says of a recording, whatever the method is, beside what is true."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.delay import decision_delays, mean_decision_delay
from m2r2_ros.evaluation.metrics import find_runs, score_many
from m2r2_ros.evaluation.segments import Segment


@dataclass(frozen=True)
class Prediction:
    """One recording of T frames.

    labels, truth  T labels each.
    decided        for a causal method: what it believed once each frame had been processed.
    classes        the C classes of `probabilities`, () without them.
    probabilities  float (T, C), rows sum to 1; None when the method has none.
    """

    name: str
    labels: list[str]
    truth: list[str]
    decided: list[str] | None = None
    classes: tuple[str, ...] = ()
    probabilities: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.truth):
            raise M2R2Error(
                f"{self.name}: the prediction has {len(self.labels)} frames, the ground truth "
                f"{len(self.truth)}"
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
            decided=None if self.decided is None else list(map(rename, self.decided)),
            classes=classes,
            probabilities=probabilities,
        )


def score_predictions(
    predictions: Sequence[Prediction], rate_hz: float, background: Collection[str] = ()
) -> dict[str, float | None]:
    """Metrics in percent as of `score_many`; for a causal method also `delay_s`.

    delay_s is the mean over all true segments that were recognised; None when none was.
    """
    scores: dict[str, float | None] = dict(
        score_many([(p.labels, p.truth) for p in predictions], background)
    )
    causal = [p for p in predictions if p.decided is not None]
    if causal:
        delays = [
            delay
            for p in causal
            for delay in decision_delays(p.decided, p.truth, 1 / rate_hz, background)
        ]
        scores["delay_s"] = mean_decision_delay(delays)
    return scores


def segments_from_labels(labels: Sequence[str], rate_hz: float) -> list[Segment]:
    """The runs of equal labels, in seconds; frame 0 begins at 0."""
    return [Segment(str(r.label), r.start / rate_hz, r.end / rate_hz) for r in find_runs(labels)]
