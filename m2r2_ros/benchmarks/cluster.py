# SPDX-License-Identifier: Apache-2.0
"""Extraction on a Ray cluster: two nodes of one processor each against one.

Both clusters are of this machine, on its loopback; a node's work is kept to a core of its own. What
is timed goes from the command's connection to its last result, so that the start of a node's
processes counts. `speed` is reference / ours: 2 if a second node were free. `millions` is what a
million recordings of ten minutes take on a node, by this rate: CPU hours, and the features' GB.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from m2r2_ros.benchmarks.comparison import compare, rounded
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.offline.extraction import (
    EncoderChoice,
    ExtractionJob,
    ExtractionResult,
    extract,
)
from m2r2_ros.parallel.spread import Workers, every, spread
from m2r2_ros.shipped import shipped

RECORDING = "recordings/taskboard_demo.h5"
# Long enough that the start of the processes is a small part, and the same for each of two.
_PIECES = 4
_LOOPBACK = "127.0.0.2"
_STORE_BYTES = 80 * 2**20
_MILLION, _LONG_S = 1e6, 600.0


def run(options: Options) -> dict[str, Any]:
    """Seconds for the shipped recording, four times. Says so where Ray or a core is missing."""
    cores = sorted(os.sched_getaffinity(0))
    if importlib.util.find_spec("ray") is None:
        return {"not_measured": "Ray is not installed: pip install ray"}
    if len(cores) < 2:
        return {"not_measured": "a second node needs a second core"}
    path = options.models / ENCODER_FILE
    encoder = Encoder(path)
    choice = EncoderChoice(path.absolute(), encoder.sha256, encoder.providers[0])
    jobs = [ExtractionJob(shipped(RECORDING).absolute(), choice)] * _PIECES
    frames: list[int] = []
    two, one = (partial(_seconds, cores[:count], jobs, frames) for count in (2, 1))
    result = compare(two, one, options.repetitions)
    recorded_s = frames[0] * encoder.layout.period_ns / 1e9
    rate = _PIECES * recorded_s / result["reference"]["median"]
    return {
        **result,
        "unit": "s",
        "speed": rounded(1 / result["ratio"]),
        "times_real_time_of_a_node": rounded(rate),
        "millions": {
            "cpu_hours": rounded(_MILLION * _LONG_S / rate / 3600),
            "features_gb": rounded(
                _MILLION * _LONG_S / recorded_s * frames[0] * encoder.feature_dimension * 4 / 1e9
            ),
        },
    }


def _seconds(cores: list[int], jobs: list[ExtractionJob], frames: list[int]) -> float:
    """From the connection to the last result."""
    with _nodes(len(cores)) as (address, nodes):
        work = partial(_extract_on, dict(zip(nodes, cores, strict=True)))
        began = time.perf_counter()
        done = spread(work, jobs, Workers(ray=address), f"{len(cores)} nodes")
        frames += [len(each.features) for each in every(done, lambda job: job.name)]
        return time.perf_counter() - began


def _extract_on(cores: dict[str, int], job: ExtractionJob) -> ExtractionResult:
    """Extract on the core of the node that this runs on."""
    import ray

    os.sched_setaffinity(0, {cores[ray.get_runtime_context().get_node_id()]})
    return extract(job)


@contextmanager
def _nodes(count: int) -> Iterator[tuple[str, list[str]]]:
    """A cluster's address, and its nodes, a processor each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    options["node_ip_address"] = _LOOPBACK
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        for _ in range(count - 1):
            cluster.add_node(**options)
        nodes = [cluster.head_node, *cluster.worker_nodes]
        yield cluster.address, [node.node_id for node in nodes]
    finally:
        cluster.shutdown()
