# SPDX-License-Identifier: Apache-2.0
"""What recording beside the chain costs it, under the load of a whole robot at 30 Hz.

Ours: the online nodes with the result recorder (`record`) or the event recorder (`events`) in a
process of its own. Reference: the online nodes alone. From the stamp of a camera frame to its
prediction, the median of each turn.
"""

from __future__ import annotations

from itertools import chain
from statistics import median
from typing import Any

from m2r2_ros.benchmarks.comparison import quantiles, summarise
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.programs import LoadRun, monitoring, run_load

_ONLINE = "m2r2_ros.nodes.online"
WAYS = {
    "alone": [_ONLINE],
    "record": [_ONLINE, "m2r2_ros.nodes.result_recorder"],
    "events": [_ONLINE, "m2r2_ros.nodes.event_recorder"],
}
# The first windows find cold caches.
_WARM_UP = 10


def run(options: Options) -> dict[str, Any]:
    """For each recorder the ratio of medians, and the latency of every way [ms]."""
    runs: dict[str, list[LoadRun]] = {name: [] for name in WAYS}
    with monitoring() as monitor:
        for repetition in range(options.repetitions):
            names = list(WAYS)
            # Each way is first, second and last in turn: a machine gets busier or less so.
            for name in names[repetition % 3 :] + names[: repetition % 3]:
                runs[name].append(run_load(monitor, WAYS[name], "synchronizer", options))
    medians = {
        name: [median(one.prediction_ms[_WARM_UP:] or one.prediction_ms) for one in done]
        for name, done in runs.items()
    }
    return {
        name: {
            **(summarise(medians[name], medians["alone"]) if name != "alone" else {}),
            "frame_prediction_ms": quantiles(list(chain(*(r.prediction_ms for r in done)))),
            "cpu_s": [one.cpu_s for one in done],
            "lost": sum(sum(one.lost.values()) for one in done),
        }
        for name, done in runs.items()
    }
