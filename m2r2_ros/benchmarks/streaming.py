# SPDX-License-Identifier: Apache-2.0
"""What one more frame costs the causal head when 600, 6,000 and 60,000 have gone before.

Ours: one step from the carried state. Reference: the whole prefix once more, as a head without a
state has to do for every frame. Beside it a frame of the segment tracker that decides by evidence,
with REASSEMBLE's 69 classes and posteriors that leave every start open: its largest state.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from m2r2_ros.benchmarks.comparison import compare, cpu_seconds_of
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.models import HEAD_FILE
from m2r2_ros.inference.procedure import Duration, Procedure
from m2r2_ros.inference.segment_events import FramePrediction
from m2r2_ros.inference.tracker import SegmentTracker
from m2r2_ros.labels import FINE_LABELS, legacy_vocabulary

FRAMES = (600, 6_000, 60_000)
# Steps that are timed together, so that one is not lost in the clock's grain.
_STEPS = 200


def run(options: Options) -> dict[str, Any]:
    """CPU milliseconds a frame at each place; `ratio` is that at the last.

    `growth` is what a step costs there over what it costs at the first: 1 when it is constant.
    """
    return measure(StreamingHead(options.models / HEAD_FILE), FRAMES, options.repetitions)


def measure(head: StreamingHead, places: Sequence[int], repetitions: int) -> dict[str, Any]:
    """The same for any head and places."""
    random = np.random.default_rng(0)
    shape = (max(places) + _STEPS, head.feature_dimension)
    features = random.normal(0, 1, shape).astype(np.float32)
    results: dict[str, Any] = {}
    for place in places:
        step, prefix = _step_ms(head, features, place), _prefix_ms(head, features, place)
        results[f"{place}_frames"] = compare(step, prefix, repetitions) | {
            "unit": "ms of CPU a frame"
        }
    # In turns as well: what the machine did meanwhile was done to both places.
    first, last = (_step_ms(head, features, place) for place in (places[0], places[-1]))
    growth = compare(last, first, repetitions)
    return {
        "ratio": results[f"{places[-1]}_frames"]["ratio"],
        "growth": growth["ratio"],
        "growth_spread": growth["ratio_spread"],
        **results,
        "tracker": _tracker(places, repetitions),
    }


def _tracker(places: Sequence[int], repetitions: int) -> dict[str, Any]:
    """CPU milliseconds a frame at the last place; `ratio`: over those at the first."""
    random = np.random.default_rng(0)
    posteriors = random.dirichlet(np.ones(len(FINE_LABELS)), _STEPS).astype(np.float32)
    alike = Procedure(tuple(Duration(4.0, 2.0) for _ in FINE_LABELS))
    first, last = (_tracker_ms(posteriors, alike, place) for place in (places[0], places[-1]))
    return compare(last, first, repetitions) | {"unit": "ms of CPU a frame"}


def _tracker_ms(posteriors: np.ndarray, procedure: Procedure, place: int) -> Callable[[], float]:
    """At ten frames a second, when `place` frames have gone before."""
    tracker = SegmentTracker(legacy_vocabulary(FINE_LABELS), procedure=procedure)
    frames = itertools.count()

    def steps() -> None:
        for posterior in posteriors:
            index = next(frames)
            tracker.step(FramePrediction(index, index * 100_000_000, posterior, 0.0))

    for _ in range(-(-place // _STEPS)):
        steps()
    return lambda: 1e3 * cpu_seconds_of(steps)() / _STEPS


def _step_ms(head: StreamingHead, features: np.ndarray, place: int) -> Callable[[], float]:
    def steps() -> None:
        for feature in features[place : place + _STEPS]:
            head.step(feature)

    def cost() -> float:
        head.reset()
        head.run(features[:place])
        return 1e3 * cpu_seconds_of(steps)() / _STEPS

    return cost


def _prefix_ms(head: StreamingHead, features: np.ndarray, place: int) -> Callable[[], float]:
    def again() -> None:
        head.reset()
        head.run(features[: place + 1])

    return lambda: 1e3 * cpu_seconds_of(again)()
