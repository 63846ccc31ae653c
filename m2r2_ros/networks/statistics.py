# SPDX-License-Identifier: Apache-2.0
"""What normalisation needs to know about the training recordings (M2R2 III-B)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout


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
        zeros = {name: [0.0] * layout.signals[name].width for name in layout.signals}
        return cls(zeros, {name: [1.0] * len(values) for name, values in zeros.items()})

    def check(self, layout: SensorLayout) -> None:
        """Raise M2R2Error unless these are the statistics of the layout's sensors."""
        for name in layout.signals:
            dimension = layout.signals[name].width
            for part in (self.mean, self.std):
                if len(part.get(name, ())) != dimension:
                    raise M2R2Error(f"statistics of another sensor set: '{name}' is not in them")
            if not all(map(math.isfinite, self.mean[name] + self.std[name])):
                raise M2R2Error(f"statistics: those of '{name}' are not finite")
            if min(self.std[name]) <= 0:
                raise M2R2Error(f"statistics: a standard deviation of '{name}' is not positive")
        if not -math.inf < self.decibel_low < self.decibel_high < math.inf:
            raise M2R2Error("statistics: the range of the spectrogram is empty")

    def to_json(self) -> str:
        """The inverse of `from_json`."""
        return json.dumps(self.__dict__, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Statistics:
        """Raises M2R2Error when the text is not what `to_json` writes."""
        try:
            data: dict[str, Any] = json.loads(text)
            for part in ("mean", "std"):
                data[part] = {name: list(map(float, row)) for name, row in data[part].items()}
            for end in ("decibel_low", "decibel_high"):
                data[end] = float(data[end])
            return cls(**data)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise M2R2Error(f"bad statistics file: {error}") from error

    @classmethod
    def read(cls, path: Path, layout: SensorLayout) -> Statistics:
        """Of a file, for this layout. Raises M2R2Error that names the file."""
        try:
            statistics = cls.from_json(path.read_text("utf-8"))
            statistics.check(layout)
        except (OSError, UnicodeDecodeError, M2R2Error) as error:
            raise M2R2Error(f"{path}: {error}") from error
        return statistics
