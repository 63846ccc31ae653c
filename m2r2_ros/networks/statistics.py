# SPDX-License-Identifier: Apache-2.0
"""What normalisation needs to know about the training recordings (M2R2 III-B)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SIGNALS, SensorLayout


@dataclass(frozen=True)
class Statistics:
    """Over all valid samples of all training windows.

    mean, std         signal -> one value a component, in the signal's unit; every std > 0.
    decibel_low/high  range of the log-mel spectrogram, low < high.
    """

    mean: dict[str, list[float]] = field(default_factory=dict)
    std: dict[str, list[float]] = field(default_factory=dict)
    decibel_low: float = -100.0
    decibel_high: float = 50.0

    @classmethod
    def neutral(cls, layout: SensorLayout) -> Statistics:
        """Mean 0 and deviation 1: what an untrained network starts with."""
        zeros = {name: [0.0] * SIGNALS[name][0] for name in layout.signals}
        return cls(zeros, {name: [1.0] * len(values) for name, values in zeros.items()})

    def check(self, layout: SensorLayout) -> None:
        """Raise M2R2Error unless these are the statistics of the layout's sensors."""
        for name in layout.signals:
            dimension = SIGNALS[name][0]
            for part in (self.mean, self.std):
                if len(part.get(name, ())) != dimension:
                    raise M2R2Error(f"statistics of another sensor set: '{name}' is not in them")
            if min(self.std[name]) <= 0:
                raise M2R2Error(f"statistics: a standard deviation of '{name}' is not positive")
        if not self.decibel_low < self.decibel_high:
            raise M2R2Error("statistics: the range of the spectrogram is empty")

    def to_json(self) -> str:
        """The inverse of `from_json`."""
        return json.dumps(self.__dict__, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Statistics:
        """Raises M2R2Error when the text is not what `to_json` writes."""
        try:
            data: dict[str, Any] = json.loads(text)
            return cls(**data)
        except (ValueError, TypeError) as error:
            raise M2R2Error(f"bad statistics file: {error}") from error
