# SPDX-License-Identifier: Apache-2.0
"""What the page plots of a recording: the sound, and the quantities of its signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from m2r2_ros.datasets.recording_source import SensorBatch
from m2r2_ros.labelling.envelopes import envelope
from m2r2_ros.labelling.sound import mono
from m2r2_ros.sensing.layout import AUDIO, SensorLayout

SOUND_RATE_HZ = 16_000


@dataclass(frozen=True)
class Plot:
    """Columns that share an axis. `columns` of `signal`, whose names are `names`, in `unit`."""

    title: str
    signal: str
    unit: str
    names: tuple[str, ...]
    columns: slice

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, as the page needs it."""
        return {"title": self.title, "unit": self.unit, "names": list(self.names)}


def plots_of(layout: SensorLayout) -> list[Plot]:
    """The sound first; a signal's quantities one below the other."""
    plots = [Plot("sound", AUDIO, "", ("sound",), slice(0, 1))] if layout.audio else []
    for name, signal in layout.signals.items():
        spans = signal.spans()
        for quantity, columns in spans:
            title = name if len(spans) == 1 else f"{name} {quantity.name}"
            names = tuple(quantity.columns)
            plots.append(Plot(title, name, quantity.unit, names, columns))
    return plots


def plot_envelopes(
    plots: list[Plot], batch: SensorBatch, start_ns: int, bins: int, bin_ns: int
) -> np.ndarray:
    """Least and greatest value of each column in each bin, float32 (columns, bins, 2).

    NaN where there is no sample.
    """
    parts = []
    for plot in plots:
        if plot.signal == AUDIO:
            samples = mono(batch.audio, start_ns, start_ns + bins * bin_ns, SOUND_RATE_HZ)
            stamps = start_ns + np.arange(len(samples)) * 10**9 // SOUND_RATE_HZ
            values = samples[:, None]
        else:
            stamps, values = batch.signals.get(plot.signal, _nothing(plot))
            values = values[:, plot.columns]
        parts.append(envelope(stamps, values, start_ns, bins, bin_ns))
    return np.concatenate(parts) if parts else np.zeros((0, bins, 2), np.float32)


def _nothing(plot: Plot) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(0, np.int64), np.zeros((0, plot.columns.stop))
