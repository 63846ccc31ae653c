# SPDX-License-Identifier: Apache-2.0
"""What it costs the chain that somebody looks: latency with `m2r2 view` connected, and without.

Ours: the online nodes under the load of a whole robot, beside a viewer that shows every camera, all
signals and results to one client on the same machine. Reference: the same without a viewer. Both
are the median time from a camera frame's stamp to the arrival of its prediction [ms].
"""

from __future__ import annotations

from itertools import chain
from statistics import median
from typing import Any

from m2r2_ros.benchmarks.comparison import compare, quantiles
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.programs import LoadRun, last_line, monitoring, run_load

ONLINE = "m2r2_ros.nodes.online"
VIEWER = "m2r2_ros.benchmarks.viewer"


def run(options: Options) -> dict[str, Any]:
    """`ratio` of the medians, the quantiles of both ways, and what was looked at in each turn."""
    runs: dict[str, list[LoadRun]] = {"ours": [], "reference": []}
    looked_at: list[dict[str, int]] = []
    with monitoring() as monitor:

        def measure(name: str) -> float:
            programs = [VIEWER, ONLINE] if name == "ours" else [ONLINE]
            done = run_load(monitor, programs, "synchronizer", options)
            runs[name].append(done)
            if name == "ours":
                looked_at.append(last_line(options.logs / f"{VIEWER}.log"))
            return median(done.prediction_ms)

        result = compare(lambda: measure("ours"), lambda: measure("reference"), options.repetitions)
    latencies = {
        f"{name}_frame_prediction_ms": quantiles(list(chain(*(r.prediction_ms for r in done))))
        for name, done in runs.items()
    }
    cpu = {f"{name}_cpu_s": [round(one.cpu_s, 2) for one in done] for name, done in runs.items()}
    lost = sum(sum(one.lost.values()) for one in runs["ours"])
    return {**result, "unit": "ms", **latencies, **cpu, "looked_at": looked_at, "lost": lost}
