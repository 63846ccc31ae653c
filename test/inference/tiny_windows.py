# SPDX-License-Identifier: Apache-2.0
"""Random sensor windows of any layout, for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow


def random_window(layout: SensorLayout, index: int = 0, seed: int = 0) -> SensorWindow:
    """Window `index` of a sequence whose signals drift slowly, so that labels change."""
    random = np.random.default_rng((seed, index))
    drift = np.sin(index / 10)
    samples = layout.period_ns * layout.audio_rate_hz // 1_000_000_000 if layout.audio else 0
    return SensorWindow(
        index=index,
        start_ns=index * layout.period_ns,
        end_ns=(index + 1) * layout.period_ns,
        images={
            name: random.integers(0, 256, (24, 32, 3), dtype=np.uint8) for name in layout.cameras
        },
        audio=random.uniform(-1, 1, samples).astype(np.float32),
        signals={
            name: (random.normal(size=layout.nominal_shape(name)) + drift).astype(np.float32)
            for name in layout.signals
        },
        mask=dict.fromkeys(layout.modalities, True),
    )


def without(window: SensorWindow, name: str) -> SensorWindow:
    """The window as sensing hands it over when `name` is missing."""
    return replace(
        window,
        images={key: value for key, value in window.images.items() if key != name},
        audio=np.empty(0, np.float32) if name == "audio" else window.audio,
        signals={key: value for key, value in window.signals.items() if key != name},
        mask=window.mask | {name: False},
    )
