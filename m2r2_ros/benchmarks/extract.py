# SPDX-License-Identifier: Apache-2.0
"""Features of a recording: multiples of real time, and of bare onnxruntime calls.

Ours: what `m2r2 extract` does, from file to features, decoding included, which runs beside the
encoder in a thread of its own. Reference: one call of the same graph for every window, inputs
packed beforehand, and nothing else. `speed` is reference / ours, 1 if everything but the calls
were free: in `wall` time on as many cores as there are, and in `cpu` time of all threads, which
does not see what runs beside what. `encoding` leaves decoding out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from m2r2_ros.benchmarks.comparison import rounded, summarise
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.session import open_session
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.extraction import encode_recording
from m2r2_ros.shipped import shipped

RECORDING = "recordings/taskboard_demo.h5"
# As the encoder itself has.
_THREADS = 2
# A batch that pays on a CPU.
_BATCH = 8


def run(options: Options) -> dict[str, Any]:
    """Seconds for the shipped recording, with single windows (the default) and in batches."""
    path = shipped(RECORDING)
    encoder = Encoder(options.models / ENCODER_FILE)
    with open_source(path) as source:
        some = list(windows(source, encoder.layout, max_pixels=encoder.metadata.max_pixels))
    session = open_session(read_model(options.models / ENCODER_FILE), _THREADS)
    # The packer's buffers are its own, pictures are not copied by it.
    packed = [_copy(WindowPacker(encoder.layout)([window])) for window in some]

    def bare() -> None:
        for inputs in packed:
            session.run(["feature"], inputs)

    def whole(batch: int) -> Callable[[], None]:
        def extract() -> None:
            with open_source(path) as source:
                encode_recording(source, encoder, Deployment(), batch)

        return extract

    def encode() -> None:
        for window in some:
            encoder(window)

    duration_s = len(some) * encoder.layout.period_ns / 1e9
    ways = {"single": whole(1), f"batch_{_BATCH}": whole(_BATCH), "encoding": encode}
    results: dict[str, Any] = {"unit": "s", "recording_s": rounded(duration_s)}
    for name, work in ways.items():
        turns = [(_seconds(work), _seconds(bare)) for _ in range(options.repetitions)]
        results[name] = {}
        for column, clock in enumerate(("wall", "cpu")):
            pairs = [(ours[column], reference[column]) for ours, reference in turns]
            result = summarise(*zip(*pairs, strict=True))
            results[name][clock] = result | {"speed": rounded(1 / result["ratio"])}
        seconds = results[name]["wall"]["ours"]["median"]
        results[name]["times_real_time"] = rounded(duration_s / seconds)
    return results


def _copy(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in inputs.items()}


def _seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU time of one call."""
    began = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began[0], time.process_time() - began[1]
