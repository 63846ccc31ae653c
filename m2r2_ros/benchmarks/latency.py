# SPDX-License-Identifier: Apache-2.0
"""From the stamp of a camera frame to what a planner hears, with cameras at 10 and 30 Hz.

Ours: the online nodes in one process under the load of a whole robot; the time at which the
middleware has /m2r2/frame_prediction and /action_segment, less the stamp of the frame. Reference:
the bare sum of the two onnxruntime calls, encoder and head as whole graphs, on inputs of the same
shapes, as often, beside the synchronizer that takes the same load, so that both have the same
machine; and, for comparison, without any load (`idle`). `p99_ratio` compares the 99th percentiles
of both, and `overhead_ms` is the difference of their medians. Windows come at the encoder's rate,
whatever the camera's.

A chunk of audio goes out when its last sample was taken, so a window has to wait for its own sound:
`waited_for_audio_ms` tells how long, and `ratio_after_audio` leaves that out.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import chain
from statistics import median
from typing import Any

import numpy as np

from m2r2_ros.benchmarks.bare import sums_ms
from m2r2_ros.benchmarks.comparison import quantiles, rounded, summarise
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.programs import (
    LoadRun,
    Monitor,
    last_line,
    monitoring,
    run_load,
)

ONLINE = ["m2r2_ros.nodes.online"]
BARE = ["m2r2_ros.benchmarks.bare", "m2r2_ros.nodes.synchronizer"]
CAMERA_HZ = (10.0, 30.0)
# Windows a second that are tried without load: a few are enough.
_IDLE_HZ = 5
# The first windows find cold caches in every program.
_WARM_UP = 10


def run(options: Options) -> dict[str, Any]:
    """Quantiles in ms for each camera rate; `ratio` is that of the medians at 30 Hz."""
    results: dict[str, Any] = {}
    with monitoring() as monitor:
        for camera_hz in CAMERA_HZ:
            results[f"{camera_hz:g}_hz"] = _measure(monitor, options, camera_hz)
    fastest = results[f"{CAMERA_HZ[-1]:g}_hz"]
    return {name: fastest[name] for name in ("ratio", "p99_ratio", "ratio_after_audio")} | results


def _measure(monitor: Monitor, options: Options, camera_hz: float) -> dict[str, Any]:
    runs: list[LoadRun] = []
    sums: list[list[float]] = []
    idle: list[list[float]] = []
    for _ in range(options.repetitions):
        run_load(monitor, BARE, "synchronizer", options, camera_hz)
        sums.append(_warm(last_line(options.logs / f"{BARE[0]}.log")))
        count = round(options.seconds * _IDLE_HZ)
        idle.append(_warm(sums_ms(options.models, threading.Event(), count)))
        runs.append(
            run_load(monitor, ["m2r2_ros.nodes.online"], "synchronizer", options, camera_hz)
        )
    bare = median(map(median, sums))
    predictions = [_warm(one.prediction_ms) for one in runs]
    waits = [_warm(_audio_waits_ms(one)) for one in runs]
    after = [median(np.subtract(ms, wait)) for ms, wait in zip(predictions, waits, strict=True)]
    compared = summarise([median(ms) for ms in predictions], [median(ms) for ms in sums])
    tails = summarise(_p99s(predictions), _p99s(sums))
    extractor = [one.diagnostics["feature_extractor"] for one in runs]
    return {
        **compared,
        "p99_ratio": tails["ratio"],
        "p99_ratio_spread": tails["ratio_spread"],
        "overhead_ms": rounded(median(map(median, predictions)) - bare),
        "ratio_after_audio": rounded(median(after) / bare),
        "waited_for_audio_ms": quantiles(list(chain(*waits))),
        "frame_prediction_ms": quantiles(list(chain(*predictions))),
        "action_segment_ms": quantiles(list(chain(*(one.segment_ms for one in runs)))),
        "bare_sum_ms": quantiles(list(chain(*sums))),
        "idle_bare_sum_ms": quantiles(list(chain(*idle))),
        "ratio_to_idle": rounded(median(map(median, predictions)) / median(map(median, idle))),
        "inference_ms": [float(values["inference_ms"]) for values in extractor],
        "cpu_percent": [rounded(100 * one.cpu_s / one.elapsed_s) for one in runs],
        "skipped": sum(int(values["skipped"]) for values in extractor),
        "lost": sum(sum(one.lost.values()) for one in runs),
    }


def _p99s(turns: Sequence[Sequence[float]]) -> list[float]:
    return [quantiles(turn)["p99"] for turn in turns]


def _audio_waits_ms(run: LoadRun) -> Sequence[float]:
    """How long after each predicted frame the chunk was complete that holds its time."""
    from m2r2_ros.benchmarks.load import AUDIO_HZ

    chunk_ns = round(1e9 / AUDIO_HZ)
    return [-(stamp - run.start_ns) % chunk_ns / 1e6 for stamp in run.prediction_stamps_ns]


def _warm(values: Sequence[float]) -> Sequence[float]:
    return values[_WARM_UP:] if len(values) > _WARM_UP else values
