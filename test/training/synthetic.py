# SPDX-License-Identifier: Apache-2.0
"""Small made-up recordings whose actions are easy to tell: each has its own force and sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow

LABELS = ("No action", "Pick USB", "Insert USB", "Remove BNC", "Place BNC")
FRAMES_PER_ACTION = 8


def make_window(
    layout: SensorLayout, index: int, random: np.random.Generator, level: float = 0.0
) -> SensorWindow:
    """A nominal window; `level` shifts the signals and the loudness."""
    start, end = index * layout.period_ns, (index + 1) * layout.period_ns
    return SensorWindow(
        index=index,
        start_ns=start,
        end_ns=end,
        images={
            camera: random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            for camera in layout.cameras
        },
        audio=(random.normal(size=1600) * 0.01 * (1 + level)).astype(np.float32)
        if layout.audio
        else np.empty(0, np.float32),
        signals={
            name: random.normal(level, 0.3, layout.nominal_shape(name)).astype(np.float32)
            for name in layout.signals
        },
        mask=dict.fromkeys(layout.modalities, True),
    )


def read_synthetic(
    path: Path, layout: SensorLayout, max_pixels: int = 0
) -> Iterator[tuple[SensorWindow, str]]:
    """Windows of a recording that is named by a number, its seed."""
    random = np.random.default_rng(int(path.stem))
    order = random.permutation(len(LABELS))
    for index in range(FRAMES_PER_ACTION * len(LABELS)):
        label = int(order[index // FRAMES_PER_ACTION])
        yield make_window(layout, index, random, level=label), LABELS[label]
