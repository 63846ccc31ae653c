# SPDX-License-Identifier: Apache-2.0
"""The sensor set that an encoder was trained on: which modalities, at which rates.

Every exported encoder carries its layout as metadata; nodes and commands configure themselves
from it (design: one graph, raw in).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.signal_presets import PRESETS

AUDIO = "audio"


@dataclass(frozen=True)
class SensorLayout:
    """Modalities and rates. Token and mask order: cameras, audio, signals."""

    cameras: tuple[str, ...] = ("hama1", "hama2")
    audio: bool = True
    signals: tuple[str, ...] = tuple(PRESETS)
    # Windows a second. Faster cameras are thinned to it (M2R2 IV-B: +-10 frames are one second).
    window_rate_hz: float = 10.0
    # Common rate of the proprioceptive signals inside a window (M2R2 III-B).
    signal_rate_hz: int = 300
    # Mono, after resampling (M2R2 III-B).
    audio_rate_hz: int = 16_000

    def __post_init__(self) -> None:
        for name in self.signals:
            if name not in PRESETS:
                raise M2R2Error(f"unknown signal '{name}'{nearest_name(name, PRESETS)}")
        if not self.modalities:
            raise M2R2Error("a sensor layout needs at least one modality")
        if len(set(self.modalities)) != len(self.modalities):
            raise M2R2Error(f"a modality is named twice in {list(self.modalities)}")
        for name in self.cameras:
            if not isinstance(name, str) or not name.isidentifier():
                raise M2R2Error(f"a camera's name must be a plain word, got {name!r:.40}")
        for name in ("window_rate_hz", "signal_rate_hz", "audio_rate_hz"):
            value = getattr(self, name)
            if not 0 < value < 1e6:
                raise M2R2Error(f"{name} must be in (0, 1e6), got {value}")
            if name != "window_rate_hz" and not isinstance(value, int):
                raise M2R2Error(f"{name} must be a whole number, got {value}")

    @property
    def modalities(self) -> tuple[str, ...]:
        """All modality names in token order."""
        return self.cameras + ((AUDIO,) if self.audio else ()) + self.signals

    @property
    def period_ns(self) -> int:
        """Nominal window length in nanoseconds."""
        return round(1e9 / self.window_rate_hz)

    @property
    def longest_window_ns(self) -> int:
        """No window is longer: a reference frame that comes later leaves gap windows before it."""
        return self.period_ns * 3 // 2

    @property
    def signal_capacity(self) -> int:
        """Most samples that a signal has in one window (rows of the encoder's padded input)."""
        return -(-self.longest_window_ns * self.signal_rate_hz // 1_000_000_000)

    @property
    def audio_capacity(self) -> int:
        """Most audio samples in one window (length of the encoder's padded input)."""
        return -(-self.longest_window_ns * self.audio_rate_hz // 1_000_000_000) + 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SensorLayout:
        """Read the form that `to_dict` writes.

        Raises M2R2Error on an unknown or badly typed entry.
        """
        known = {field.name for field in fields(cls)}
        for key in data:
            if key not in known:
                raise M2R2Error(f"unknown layout entry '{key}'{nearest_name(key, known)}")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise M2R2Error(f"bad sensor layout: {error}") from error
