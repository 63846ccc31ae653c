# SPDX-License-Identifier: Apache-2.0
"""A recording segmented offline: multiples of real time, and of bare decoding and inference.

Ours: what `m2r2 segment` does, from file to segments. Reference: decoding every frame of the
encoder's cameras and the sound with PyAV, then one call of encoder and head for every window.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from statistics import median
from typing import Any

import av
import h5py

from m2r2_ros.benchmarks.bare_models import bare_calls
from m2r2_ros.benchmarks.comparison import compare, cpu_seconds_of, rounded
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.datasets.hdf5 import read_payload
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.models import Models
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped

RECORDING = "recordings/taskboard_demo.h5"
# The stream of a REASSEMBLE file that holds the sound.
_SOUND = "hand_audio"


def run(options: Options) -> dict[str, Any]:
    """CPU seconds for the shipped recording, and `times_real_time` of ours."""
    path = shipped(RECORDING)
    models = Models.load(options.models)
    layout = models.encoder.layout
    with open_source(path) as source:
        middle = list(windows(source, layout))
    duration_s = len(middle) * layout.period_ns / 1e9
    encode, step = bare_calls(options.models, middle[len(middle) // 2])

    def bare() -> None:
        decode_everything(path, layout)
        for _ in range(len(middle)):
            step(encode())

    walls_s: list[float] = []

    def whole() -> None:
        began = time.perf_counter()
        segment(path, models)
        walls_s.append(time.perf_counter() - began)

    result = compare(cpu_seconds_of(whole), cpu_seconds_of(bare), options.repetitions)
    return {
        **result,
        "unit": "s of CPU",
        "recording_s": rounded(duration_s),
        "times_real_time": rounded(duration_s / median(walls_s)),
    }


def segment(path: Path, models: Models) -> int:
    """The whole chain; returns the number of events."""
    pipeline = models.pipeline()
    with open_source(path) as source:
        events = sum(len(pipeline.process(w)[2]) for w in windows(source, models.encoder.layout))
    return events + len(pipeline.close())


def decode_everything(path: Path, layout: SensorLayout) -> int:
    """Decode the media of the layout's streams as RGB and float; returns frames and samples."""
    count = 0
    with h5py.File(path) as file:
        for name in layout.cameras:
            with av.open(io.BytesIO(read_payload(file, name))) as container:
                for frame in container.decode(video=0):
                    count += bool(len(frame.to_ndarray(format="rgb24")))
        if layout.audio:
            with av.open(io.BytesIO(read_payload(file, _SOUND))) as container:
                count += sum(frame.samples for frame in container.decode(audio=0))
    return count
