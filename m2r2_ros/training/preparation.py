# SPDX-License-Identifier: Apache-2.0
"""Recordings through the untrained part of an encoder, several at a time.

Decoding, windowing and a frozen backbone cost far more than a training step. They need no torch:
the untrained part is run as an ONNX graph, several times faster on a CPU and light to start in a
process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.datasets.atomic import partial_folder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.inference.session import open_session
from m2r2_ros.parallel.spread import Workers, every, spread
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow

LabelledWindows = Iterable[tuple[SensorWindow, str]]
# Yields the windows of a recording with their labels, pictures of more than so many pixels made
# smaller. With several workers: a function that a process can be handed.
Reader = Callable[[Path, SensorLayout, int], LabelledWindows]

LABELS_FILE = "labels.json"
# What the graph's outputs are called: this, then the name in `M2R2.prepare`.
OUTPUT_PREFIX = "prepared_"
_BATCH = 16


@dataclass(frozen=True)
class PreparationJob:
    """One recording: `graph` is run over its windows, the results fill the new folder `place`.

    Pictures of more than `max_pixels` are made smaller. Where there is a `roboact` encoder.onnx,
    its features take the place of the cameras' pictures.
    """

    recording: Path
    layout: SensorLayout
    graph: Path
    place: Path
    max_pixels: int
    roboact: Path | None = None


def prepare_all(jobs: Sequence[PreparationJob], read: Reader, workers: Workers) -> None:
    """Do the jobs, each complete or not at all. Raises M2R2Error at the end where some failed."""
    done = spread(partial(prepare_recording, read=read), jobs, workers, "preparing")
    every(done, lambda job: job.place.name)


def prepare_recording(job: PreparationJob, read: Reader) -> None:
    """Raises M2R2Error when the recording cannot be read or gives no window."""
    session = _open(job.graph)
    outputs = [output.name for output in session.get_outputs()]
    roboact = _open_roboact(job.roboact) if job.roboact else None
    if roboact:
        roboact.reset()
    labels: list[str] = []
    parts: list[list[np.ndarray]] = []
    for batch in _batches(read(job.recording, job.layout, job.max_pixels)):
        windows = [window for window, _ in batch]
        packed = WindowPacker(job.layout, len(batch))(windows)
        if roboact:
            features = np.split(roboact.encode_batch(windows), len(job.layout.cameras), axis=1)
            packed |= {f"image_{c}": f for c, f in zip(job.layout.cameras, features, strict=True)}
        parts.append(list(map(_narrowed, outputs, session.run(outputs, packed))))
        labels += [label for _, label in batch]
    if not parts:
        raise M2R2Error(f"recording '{job.place.name}' gives no window of this sensor layout")
    with partial_folder(job.place) as partial:
        partial.mkdir()
        for name, arrays in zip(outputs, zip(*parts, strict=True), strict=True):
            np.save(partial / f"{name.removeprefix(OUTPUT_PREFIX)}.npy", np.concatenate(arrays))
        (partial / LABELS_FILE).write_text(json.dumps(labels), encoding="utf-8")


@lru_cache(maxsize=1)
def _open(graph: Path) -> Any:
    return open_session(read_model(graph), threads=1)


@lru_cache(maxsize=1)
def _open_roboact(path: Path) -> RoboActEncoder:
    return RoboActEncoder(path)


def _batches(windows: LabelledWindows) -> Iterator[list[tuple[SensorWindow, str]]]:
    iterator = iter(windows)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _narrowed(name: str, value: np.ndarray) -> np.ndarray:
    """Image grids and decibels in half precision: their error is far below their noise."""
    name = name.removeprefix(OUTPUT_PREFIX)
    half = name.startswith("image_") or name == "audio"
    return value.astype(np.float16) if half and value.dtype == np.float32 else value
