# SPDX-License-Identifier: Apache-2.0
"""Measure what the shipped models make of the shipped recording, and how far that may vary.

    .venv/bin/python tools/shipped_figures.py

Writes test/shipped_figures.json; five minutes on two cores. To be run when a definition changes: a
model, the recording, a rule for windows, a metric. test/test_shipped_models.py demands the figures
of the run "as shipped", up to the largest difference that any other run has from it. These runs
change what differs between machines and must not matter:

    threads, graph optimisation   onnxruntime then adds up in another order
    audio in pieces               the sensors' messages are cut otherwise
    signals                       the last bits of float32
    pictures                      -1, 0 or 1 in every value, as between two video decoders
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime

from m2r2_ros.cli._run_results import Truth, score_run
from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.recording_source import RecordingSource, SensorBatch, gap_label
from m2r2_ros.datasets.source import open_source
from m2r2_ros.inference import session
from m2r2_ros.inference.models import Models
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import OfflineRun, segment_source
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "recordings" / "taskboard_demo.h5"
MODELS = ROOT / "models"
FIGURES = ROOT / "test" / "shipped_figures.json"
# Models folder -> the parameter file that it is run with.
SHIPPED = {"taskboard_compact": None, "roboact_compact": ROOT / "config" / "named_actions.yaml"}
AS_SHIPPED = "as shipped"

Figures = dict[str, float]
Change = Callable[[SensorBatch], SensorBatch]


def unchanged(batch: SensorBatch) -> SensorBatch:
    return batch


@dataclass(frozen=True)
class Way:
    """One way to run the same models on the same recording.

    change   what is done to the sensors' data.
    options  attributes of onnxruntime's SessionOptions.
    """

    change: Change = unchanged
    options: dict[str, Any] = field(default_factory=dict)

    def sessions(self) -> AbstractContextManager[Any]:
        """Sessions that are opened in this context have the options."""
        if not self.options:
            return nullcontext()
        plain = session._options

        def changed(threads: int) -> onnxruntime.SessionOptions:
            options = plain(threads)
            for name, value in self.options.items():
                setattr(options, name, value)
            return options

        return mock.patch.object(session, "_options", changed)


class ChangedSource:
    """A recording whose data are changed as they are read."""

    def __init__(self, source: RecordingSource, change: Change) -> None:
        self._source, self._change = source, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def batches(self, layout: SensorLayout, limits: SensingLimits) -> Iterator[SensorBatch]:
        return map(self._change, self._source.batches(layout, limits))


def audio_in_pieces(batch: SensorBatch, samples: int = 113) -> SensorBatch:
    """Messages of about 7 ms at 16 kHz."""
    pieces = []
    for stamp_ns, values, rate_hz in batch.audio:
        for start in range(0, len(values), samples):
            piece = values[start : start + samples]
            pieces.append((stamp_ns + round(start * 1e9 / rate_hz), piece, rate_hz))
    return replace(batch, audio=pieces)


def rounded_signals(batch: SensorBatch) -> SensorBatch:
    """As if every signal had been stored in float32."""
    signals = {
        name: (stamps, values.astype(np.float32).astype(float))
        for name, (stamps, values) in batch.signals.items()
    }
    return replace(batch, signals=signals)


def noisy_pictures(seed: int) -> Change:
    random = np.random.default_rng(seed)

    def noisy(picture: Callable[[], np.ndarray]) -> np.ndarray:
        values = picture().astype(np.int16)
        return (values + random.integers(-1, 2, values.shape)).clip(0, 255).astype(np.uint8)

    def change(batch: SensorBatch) -> SensorBatch:
        images = [(name, stamp, partial(noisy, picture)) for name, stamp, picture in batch.images]
        return replace(batch, images=images)

    return change


_LEVELS = onnxruntime.GraphOptimizationLevel


def ways() -> dict[str, Way]:
    return {
        AS_SHIPPED: Way(),
        "one thread": Way(options={"intra_op_num_threads": 1}),
        "no graph optimisation": Way(options={"graph_optimization_level": _LEVELS.ORT_DISABLE_ALL}),
        "basic graph optimisation": Way(
            options={"graph_optimization_level": _LEVELS.ORT_ENABLE_BASIC}
        ),
        "audio in pieces": Way(audio_in_pieces),
        "signals of float32": Way(rounded_signals),
        **{f"noisy pictures {seed}": Way(noisy_pictures(seed)) for seed in range(4)},
    }


def measure(models: Path, config: Path | None, way: Way | None = None) -> Figures:
    """The figures of the models in a folder on the shipped recording."""
    way = way or Way()
    deployment = Deployment.load(config)
    with way.sessions(), open_source(RECORDING, deployment.topics) as source:
        loaded = Models.load(models, actions=deployment.actions)
        run = segment_source(ChangedSource(source, way.change), loaded, deployment)
        return figures(run, loaded, source)


def figures(run: OfflineRun, models: Models, source: RecordingSource) -> Figures:
    """The scores of `m2r2 demo`, -1 where there is none, and two that see every frame:

    nll        mean negative logarithm of the true label's probability, over frames whose label is
               one of the head's.
    boundary   the same of whether an action begins at the frame; 0 for a head that sees none.
    """
    scores = score_run(run.events, Truth.of(source), models.encoder.layout.window_rate_hz)
    found = {
        f"{level}.{name}": -1.0 if value is None else value
        for level, values in scores.items()
        for name, value in values.items()
    }
    found |= _likelihoods(run, models, source)
    return {name: float(round(value, 4)) for name, value in found.items()}


def _likelihoods(run: OfflineRun, models: Models, source: RecordingSource) -> Figures:
    half_ns = models.encoder.layout.period_ns / 2
    times_s = [(one.stamp_ns - half_ns - source.start_ns) / 1e9 for one in run.predictions]
    labels, known = (
        frame_labels(source.actions, times_s, gap_label(source)),
        list(models.head.labels),
    )
    right = [
        one.probabilities[known.index(label)]
        for one, label in zip(run.predictions, labels, strict=True)
        if label in known
    ]
    starts = np.array([False, *(a != b for a, b in pairwise(labels))])
    boundary = np.array([one.boundary for one in run.predictions])
    begins = -np.log(np.where(starts, boundary, 1 - boundary).clip(1e-6))
    return {
        "nll": float(-np.log(np.clip(right, 1e-6, None)).mean()),
        "boundary": float(begins.mean()) if boundary.any() else 0.0,
    }


def measured_files() -> dict[str, str]:
    """SHA-256 of the recording and of all files of the models, by their paths in the repository."""
    paths = [path for name in SHIPPED for path in (MODELS / name).iterdir() if path.suffix != ".md"]
    return {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted([RECORDING, *paths])
    }


def main() -> int:
    found: dict[str, dict[str, Figures]] = {}
    for name, config in SHIPPED.items():
        found[name] = {}
        for title, way in ways().items():
            found[name][title] = measure(MODELS / name, config, way)
            print(name, title, found[name][title], flush=True)
    result = {"files": measured_files(), "figures": found}
    FIGURES.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
