# SPDX-License-Identifier: Apache-2.0
"""Which array of a file is which sensor of a layout; `mapping_file` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from m2r2_ros.vocabulary import UNKNOWN, UNLABELLED, Vocabulary

# Seconds of a stamp's unit.
STAMP_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
PIXEL_ORDERS = ("rgb", "bgr")
# What is said of frames without a label.
NO_LABELS = (UNKNOWN, UNLABELLED)


@dataclass(frozen=True)
class Columns:
    """Neighbouring columns of an array: all, or [start, stop)."""

    array: str
    start: int = 0
    stop: int | None = None

    def __str__(self) -> str:
        return self.array if self.stop is None else f"{self.array}[{self.start}:{self.stop}]"


@dataclass(frozen=True)
class Clock:
    """When the rows of an array were taken: by an array of stamps, or at a rate from 0 on."""

    stamps: str = ""
    rate_hz: float = 0.0
    unit: str = "s"


@dataclass(frozen=True)
class SignalArrays:
    """Columns side by side are the signal's; value = stored * scale + offset, in `unit`."""

    columns: tuple[Columns, ...]
    clock: Clock
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    unit: str = ""
    topic: str = ""


@dataclass(frozen=True)
class CameraArray:
    """Pictures, or the bytes of JPEG or PNG files; `pixels` is the order of colours."""

    array: str
    clock: Clock
    pixels: str = "rgb"
    topic: str = ""


@dataclass(frozen=True)
class LabelArrays:
    """Labels by segments (label, start, end) or frame by frame.

    names       what is stored -> label; None leaves its frames unlabelled.
    complete    nothing is done where no label is.
    vocabulary  of the labels in `names`.
    """

    segments: str = ""
    frames: str = ""
    clock: Clock = field(default_factory=Clock)
    names: Mapping[str, str | None] | None = None
    complete: bool = False
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True)
class ArrayMapping:
    """A mapping file.

    recordings  pattern of the groups that are a recording each; "" where the file is one.
    epoch_s     added to all stamps; None: see `array_recording`.
    """

    signals: Mapping[str, SignalArrays] = field(default_factory=dict)
    cameras: Mapping[str, CameraArray] = field(default_factory=dict)
    labels: LabelArrays | None = None
    recordings: str = ""
    epoch_s: float | None = None

    @property
    def sensors(self) -> dict[str, SignalArrays | CameraArray]:
        """Everything that becomes a topic."""
        return {**self.signals, **self.cameras}

    def topic(self, sensor: str) -> str:
        """Where `m2r2 convert` writes a sensor: at /SENSOR unless the mapping says otherwise."""
        return self.sensors[sensor].topic or f"/{sensor}"
