# SPDX-License-Identifier: Apache-2.0
"""Wrench and position of a recording, one row a frame of the other methods' features."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.recording_source import gap_label
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.window import SensorWindow

# Columns of the rows: force x y z [N], torque x y z [N m], position x y z [m].
WRENCH, POSITION = slice(0, 6), slice(6, 9)


def read_signals(
    path: Path,
    topics: TopicMap | None = None,
    limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
) -> tuple[np.ndarray, list[str]]:
    """Means over each window, float32 (T, 9), and the windows' T labels.

    The windows are those of an encoder that looks at the reference camera, so that rows and labels
    are those of its features. Where a signal is masked its last value is held (its first one
    before). Raises M2R2Error when the recording has no labels, or never a wrench or a pose.
    """
    topics = topics or TopicMap()
    layout = SensorLayout((topics.reference_camera,), audio=False, signals=("wrench", "pose"))
    with open_source(path, topics) as source:
        if source.actions is None:
            raise M2R2Error(f"{path}: has no labels to compare with")
        rows, middles_ns = [], []
        for window in windows(source, layout, limits, topics.reference_camera):
            rows.append([_mean(window, "wrench", 6), _mean(window, "pose", 3)])
            middles_ns.append((window.start_ns + window.end_ns) // 2)
        if not rows:
            raise M2R2Error(f"{path}: too short, it gives no window")
        signals = [_held(np.array(column)) for column in zip(*rows, strict=True)]
        for name, values in zip(layout.signals, signals, strict=True):
            if not np.isfinite(values).all():
                raise M2R2Error(f"{path}: has no usable '{name}'")
        times_s = (np.array(middles_ns) - source.start_ns) / 1e9
        labels = frame_labels(source.actions, times_s, gap_label(source))
    return np.hstack(signals).astype(np.float32), labels


def _mean(window: SensorWindow, name: str, columns: int) -> np.ndarray:
    """Mean of the first columns; NaN for a masked signal."""
    if not window.mask[name]:
        return np.full(columns, np.nan)
    return window.signals[name][:, :columns].mean(axis=0, dtype=np.float64)


def _held(values: np.ndarray) -> np.ndarray:
    """Values (T, D) whose rows of NaN repeat the last row that is none."""
    known = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(known):
        return values
    last = np.searchsorted(known, np.arange(len(values)), side="right") - 1
    return values[known[np.maximum(last, 0)]]
