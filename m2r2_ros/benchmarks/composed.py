# SPDX-License-Identifier: Apache-2.0
"""The three nodes in one process against one process each, under the load of a whole robot.

Ours: `composed` (the default). Reference: `composed:=false`, where every window and feature travels
through the middleware.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from m2r2_ros.benchmarks.comparison import compare, quantiles
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.programs import LoadRun, monitoring, run_load

WAYS = {
    "ours": ["m2r2_ros.nodes.online"],
    "reference": [
        "m2r2_ros.nodes.segmenter",
        "m2r2_ros.nodes.feature_extractor",
        "m2r2_ros.nodes.synchronizer",
    ],
}


def run(options: Options) -> dict[str, Any]:
    """CPU time a window [ms] of all processes together, and the latency of each way."""
    runs: dict[str, list[LoadRun]] = {name: [] for name in WAYS}
    with monitoring() as monitor:

        def measure(name: str) -> float:
            done = run_load(monitor, WAYS[name], "synchronizer", options)
            runs[name].append(done)
            return 1e3 * done.cpu_s / max(1, len(done.prediction_ms))

        result = compare(lambda: measure("ours"), lambda: measure("reference"), options.repetitions)
    latencies = {
        f"{name}_frame_prediction_ms": quantiles(list(chain(*(r.prediction_ms for r in done))))
        for name, done in runs.items()
    }
    lost = {name: sum(sum(one.lost.values()) for one in done) for name, done in runs.items()}
    return {
        **result,
        "unit": "ms of CPU a window",
        **latencies,
        "lost": lost["ours"],
        "reference_lost": lost["reference"],
    }
