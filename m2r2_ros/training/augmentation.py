# SPDX-License-Identifier: Apache-2.0
"""Calibrations that differ from robot to robot, drawn anew for every training window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.signal_presets import PRESETS


@dataclass(frozen=True)
class Augmentation:
    """Standard deviations of constant offsets over a window; 0 leaves a sensor as it is."""

    # A force-torque sensor that was zeroed at another time.
    force_n: float = 0.0
    torque_nm: float = 0.0
    # A board that stands elsewhere.
    position_m: float = 0.0
    # A microphone of another gain.
    decibel: float = 0.0

    def __call__(
        self, prepared: dict[str, Tensor], windows: int, layout: SensorLayout
    ) -> dict[str, Tensor]:
        """Prepared rows of `windows` windows in order, all of the same length, with offsets."""
        changed = dict(prepared)
        deviations = {
            **{signal.name: self._of_signal(signal) for signal in _in_order(layout)},
            AUDIO: [self.decibel],
        }
        for name, deviation in deviations.items():
            if name in prepared and any(deviation):
                changed[name] = prepared[name] + self._offsets(prepared[name], deviation, windows)
        return changed

    def _of_signal(self, signal: Signal) -> list[float]:
        by_name = {"force": self.force_n, "torque": self.torque_nm, "position": self.position_m}
        return [by_name.get(each.name, 0.0) for each, _ in signal.spans() for _ in each.columns]

    @staticmethod
    def _offsets(rows: Tensor, deviation: list[float], windows: int) -> Tensor:
        offsets = torch.randn(windows, 1, len(deviation)) * torch.tensor(deviation)
        return offsets.repeat_interleave(rows.shape[0] // windows, 0)


def _in_order(layout: SensorLayout) -> list[Signal]:
    """By preset, whatever the layout's order: offsets are drawn one after the other."""
    order = ["", *PRESETS]
    return sorted(layout.signals.values(), key=lambda signal: order.index(signal.preset))
