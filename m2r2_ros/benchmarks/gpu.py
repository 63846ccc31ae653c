# SPDX-License-Identifier: Apache-2.0
"""The encoder on a GPU against the CPU: time a window, and how far the features agree.

CUDA in float32 without and with CUDA graphs, TensorRT in float32 and float16, each where this
onnxruntime has it; the first window, with which engines are built, is timed apart. Ours is the
fastest way on the GPU. `expected` is what the device should take (`roofline.py`), and `efficiency`
the part of its time that the fastest way needs by that. Where there is no GPU the result says so
beside what `--peaks` lead to expect. For a measure of M2R2 in full, give its export as --models.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from m2r2_ros.benchmarks.bare_models import one_window
from m2r2_ros.benchmarks.comparison import quantiles, rounded
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.roofline import Peaks, count, expect, gpu_name, known_peaks
from m2r2_ros.inference.device import THREADS
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.inference.io_binding import BoundSession
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.session import CUDA, TENSORRT, TensorRt, open_session
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow

Encode = Callable[[SensorWindow], np.ndarray]
_WINDOWS = 200


def run(options: Options) -> dict[str, Any]:
    """Quantiles in ms for each way; `ratio` is the fastest median on the GPU over the CPU's."""
    offered = onnxruntime.get_available_providers()
    path = options.models / ENCODER_FILE
    window, layout = one_window(options.models)
    device = gpu_name()
    peaks = Peaks.of(*options.peaks) if options.peaks else known_peaks(device)
    expected = expect(count(path, WindowPacker(layout)([window])), peaks)
    if CUDA not in offered:
        return {
            "ratio": None,
            "expected": expected,
            "gpu": f"none: this onnxruntime has only {', '.join(offered)}; on a machine with an "
            "NVIDIA GPU: pip install onnxruntime-gpu",
        }
    with tempfile.TemporaryDirectory(prefix="m2r2_bench_engines_") as folder:
        ways: dict[str, dict[str, Any]] = {"cuda": {}, "cuda_graphs": {"graphs": True}}
        if TENSORRT in offered:
            half = TensorRt(Path(folder, "float16"), half=True)
            ways["tensorrt"] = {"tensorrt": TensorRt(Path(folder, "float32"))}
            ways["tensorrt_float16"] = {"tensorrt": half}
            ways["tensorrt_float16_graphs"] = {"tensorrt": half, "graphs": True}
        results, features = {}, {}
        for name, how in ways.items():
            opening = partial(Encoder, path, require_gpu=True, **how)
            results[name], features[name] = time_encoder(opening, window)
        results["cpu"], true = time_encoder(lambda: on_cpu(path, layout), window)
    for name, feature in features.items():
        results[name]["largest_difference"] = rounded(float(np.abs(feature - true).max()))
    fastest = min(results[name]["window_ms"]["p50"] for name in ways)
    if peaks:
        expected["efficiency"] = rounded(expected["expected_ms"] / fastest)
    ratio = rounded(fastest / results["cpu"]["window_ms"]["p50"])
    return {"ratio": ratio, "device": device, "expected": expected, **results}


def on_cpu(path: Path, layout: SensorLayout) -> Encode:
    """The same graph and the same calls, kept from the GPU."""
    session = open_session(read_model(path), THREADS, allow_gpu=False)
    bound, pack = BoundSession(session, "feature"), WindowPacker(layout)
    return lambda window: bound(pack([window]))[0]


def time_encoder(
    opening: Callable[[], Encode], window: SensorWindow
) -> tuple[dict[str, Any], np.ndarray]:
    """Open an encoder and run it on the same window again and again; its feature, float32 (D,)."""
    began = time.perf_counter()
    encode = opening()
    feature = encode(window)
    ready_s = time.perf_counter() - began
    times_ms = []
    for _ in range(_WINDOWS):
        started = time.perf_counter()
        encode(window)
        times_ms.append(1e3 * (time.perf_counter() - started))
    return {"ready_s": rounded(ready_s), "window_ms": quantiles(times_ms)}, feature
