# SPDX-License-Identifier: Apache-2.0
"""One window of all sensors: what the encoder sees of the time [start, end)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SensorWindow:
    """Sensor data between two reference frames (M2R2 III-B).

    index     counts up by one from 0 since the last reset.
    start_ns  inclusive; end_ns exclusive for samples. The reference frame is stamped end_ns.
    images    camera -> uint8 (H, W, 3) RGB: the newest frame stamped not after end_ns.
    audio     float32 (n,), mono in [-1, 1] at the layout's audio rate.
    signals   name -> float32 (n, D) at the layout's signal rate, first row at start_ns.
    mask      modality -> True where the data is a measurement. Masked entries are absent from
              `images` and `signals`; masked audio is empty.
    """

    index: int
    start_ns: int
    end_ns: int
    images: dict[str, np.ndarray]
    audio: np.ndarray
    signals: dict[str, np.ndarray]
    mask: dict[str, bool]
