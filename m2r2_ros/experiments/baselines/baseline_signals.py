# SPDX-License-Identifier: Apache-2.0
"""What the baselines see of a recording: its wrench, and a position each frame of the features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.recording_source import gap_label
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.array_table import read_arrays
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.window import SensorWindow

# Columns of the rows: force x y z [N], torque x y z [N m], position x y z [m].
WRENCH, POSITION = slice(0, 6), slice(6, 9)
# Hours of a wrench.
_MOST_BYTES = 2**30


@dataclass(frozen=True)
class BaselineSignals:
    """One recording of T frames.

    rows     means over each frame, float32 (T, 9); where a signal is masked its last value is held
             (its first one before).
    wrench   as often as an encoder gets it, float32 (N, 6), without what is masked.
    frames   the frame that each of its samples is of, int64 (N,).
    labels   of the frames, T of them.
    """

    rows: np.ndarray
    wrench: np.ndarray
    frames: np.ndarray
    labels: list[str]

    def write_wrench(self, path: Path) -> None:
        """Write the wrench and its frames."""
        with partial_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, wrench=self.wrench, frames=self.frames)


def read_wrench(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The wrench and its frames, as `write_wrench` wrote them. Raises M2R2Error."""
    found = read_arrays(path, {"wrench": "f", "frames": "i"}, _MOST_BYTES)
    return found["wrench"], found["frames"]


def read_signals(
    path: Path,
    topics: TopicMap | None = None,
    limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
) -> BaselineSignals:
    """The frames are the windows of an encoder that looks at the reference camera.

    Raises M2R2Error when the recording has no labels, or never a wrench or a pose.
    """
    topics = topics or TopicMap()
    layout = SensorLayout((topics.reference_camera,), audio=False, signals=("wrench", "pose"))
    with open_source(path, topics) as source:
        if source.actions is None:
            raise M2R2Error(f"{path}: has no labels to compare with")
        rows, middles_ns, wrenches, frames = [], [], [], []
        for window in windows(source, layout, limits, topics.reference_camera):
            rows.append([_mean(window, "wrench", 6), _mean(window, "pose", 3)])
            middles_ns.append((window.start_ns + window.end_ns) // 2)
            if window.mask["wrench"]:
                wrenches.append(window.signals["wrench"][:, :6])
                frames.append(np.full(len(wrenches[-1]), len(rows) - 1))
        if not rows:
            raise M2R2Error(f"{path}: too short, it gives no window")
        signals = [_held(np.array(column)) for column in zip(*rows, strict=True)]
        for name, values in zip(layout.signals, signals, strict=True):
            if not np.isfinite(values).all():
                raise M2R2Error(f"{path}: has no usable '{name}'")
        times_s = (np.array(middles_ns) - source.start_ns) / 1e9
        labels = frame_labels(source.actions, times_s, gap_label(source))
    wrench = np.concatenate(wrenches).astype(np.float32)
    return BaselineSignals(
        np.hstack(signals).astype(np.float32), wrench, np.concatenate(frames), labels
    )


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
