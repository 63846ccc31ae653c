# SPDX-License-Identifier: Apache-2.0
"""Labelled windows of recordings, as the nodes would see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow


def labelled_windows(path: Path, layout: SensorLayout) -> Iterator[tuple[SensorWindow, str]]:
    """Every window with the label of its middle, as `m2r2 extract` labels it.

    Raises M2R2Error when the recording cannot be read or has no labels.
    """
    with open_source(path) as source:
        if source.actions is None:
            raise M2R2Error(f"{path}: has no labels to train on")
        for window in windows(source, layout):
            middle_ns = (window.start_ns + window.end_ns) // 2
            (label,) = frame_labels(source.actions, [(middle_ns - source.start_ns) / 1e9])
            yield window, label
