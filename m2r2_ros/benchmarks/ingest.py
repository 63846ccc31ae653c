# SPDX-License-Identifier: Apache-2.0
"""What taking in a robot's sensors costs, and whether anything is lost on the way.

Three proprioceptive topics at 1 kHz, two 640x480 cameras at 30 Hz and 48 kHz audio come from
another process. Ours: the node `synchronizer`, which also builds the windows. Reference: the usual
way, one rclpy callback a message into caches (`callbacks.py`), which builds nothing.
"""

from __future__ import annotations

from typing import Any

from m2r2_ros.benchmarks.comparison import compare, rounded
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.programs import LoadRun, monitoring, run_load

OURS = ("m2r2_ros.nodes.synchronizer", "synchronizer")
REFERENCE = ("m2r2_ros.benchmarks.callbacks", "callbacks")
SENSORS = ("hama1", "hama2", "audio", "wrench", "pose", "twist")


def run(options: Options) -> dict[str, Any]:
    """CPU time a message [us], and the messages that each way lost of all that were published."""
    runs: dict[str, list[LoadRun]] = {"ours": [], "reference": []}
    with monitoring() as monitor:

        def measure(name: str, module: str, node: str) -> float:
            done = run_load(monitor, [module], node, options, sensors=SENSORS)
            runs[name].append(done)
            return 1e6 * done.cpu_s / sum(done.published.values())

        result = compare(
            lambda: measure("ours", *OURS),
            lambda: measure("reference", *REFERENCE),
            options.repetitions,
        )
    return {
        **result,
        "unit": "us of CPU a message",
        "lost": _lost(runs["ours"]),
        "lost_by_topic": _lost_by_topic(runs["ours"]),
        "reference_lost": _lost(runs["reference"]),
        "messages": sum(sum(one.published.values()) for one in runs["ours"]),
        "windows": [int(one.diagnostics[OURS[1]]["windows"]) for one in runs["ours"]],
        "core_fraction": rounded(
            sum(one.cpu_s for one in runs["ours"]) / options.seconds / options.repetitions
        ),
        "load_seconds": [rounded(one.elapsed_s) for one in runs["ours"]],
    }


def _lost(runs: list[LoadRun]) -> int:
    return sum(sum(one.lost.values()) for one in runs)


def _lost_by_topic(runs: list[LoadRun]) -> dict[str, int]:
    totals = {name: sum(one.lost[name] for one in runs) for name in runs[0].lost}
    return {name: count for name, count in totals.items() if count}
