# SPDX-License-Identifier: Apache-2.0
"""What one more frame costs the causal head when 600, 6,000 and 60,000 have gone before.

Ours: one step from the carried state. Reference: the whole prefix once more, as a head without a
state has to do for every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from m2r2_ros.benchmarks.comparison import compare, cpu_seconds_of
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.models import HEAD_FILE

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
    }


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
