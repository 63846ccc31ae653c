# SPDX-License-Identifier: Apache-2.0
"""The sensor set that an encoder was trained on: which modalities, at which rates.

Every exported encoder carries its layout as metadata; nodes and commands configure themselves
from it (design: one graph, raw in).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any

from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.sensing.derived_signals import Derived, checked_derived
from m2r2_ros.sensing.signal_set import Signals

AUDIO = "audio"
DEFAULT_SIGNALS = Signals.of(("wrench", "pose", "twist", "gripper"))
# A file must not make us allocate without bound: more than any sensible layout by far.
MAX_NUMBERS = 1 << 24
MAX_MODALITIES = 64
# As of a microphone (`SensingLimits`).
MIN_AUDIO_RATE_HZ = 1000


@dataclass(frozen=True)
class SensorLayout:
    """Modalities and rates. Token and mask order: cameras, audio, signals."""

    # Their names; none for a robot without a camera.
    cameras: tuple[str, ...] = ()
    # Whether there is a microphone.
    audio: bool = True
    # Also taken as names of presets, or as name -> entry (`signal_entry`).
    signals: Signals = DEFAULT_SIGNALS
    # Windows a second. Faster cameras are thinned to it (M2R2 IV-B: +-10 frames are one second).
    window_rate_hz: float = 10.0
    # Common rate of the proprioceptive signals inside a window (M2R2 III-B).
    signal_rate_hz: int = 300
    # Mono, after resampling (M2R2 III-B).
    audio_rate_hz: int = 16_000
    # (signal, source): the signal is computed from the source's samples. Also taken as a mapping.
    derived: Derived = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "signals", Signals.of(self.signals))
        object.__setattr__(self, "derived", checked_derived(self.derived, self.signals))
        self._check_cameras()
        if not isinstance(self.audio, bool):
            raise M2R2Error(f"audio must be true or false, got {brief(self.audio)}")
        if not self.modalities:
            raise M2R2Error("a sensor layout needs at least one modality")
        if len(set(self.modalities)) != len(self.modalities):
            raise M2R2Error(f"a modality is named twice in {brief(list(self.modalities))}")
        if len(self.modalities) > MAX_MODALITIES:
            raise M2R2Error(f"more than {MAX_MODALITIES} modalities")
        for name in ("window_rate_hz", "signal_rate_hz", "audio_rate_hz"):
            value = getattr(self, name)
            if not 0 < value < 1e6:
                raise M2R2Error(f"{name} must be in (0, 1e6), got {brief(value)}")
            if name != "window_rate_hz" and type(value) is not int:
                raise M2R2Error(f"{name} must be a whole number, got {brief(value)}")
        if self.audio and self.audio_rate_hz < MIN_AUDIO_RATE_HZ:
            raise M2R2Error(
                f"audio_rate_hz must be at least {MIN_AUDIO_RATE_HZ}, got {self.audio_rate_hz}: "
                "samples a second, not kHz; `audio: false` for a robot without a microphone"
            )
        if self.numbers > MAX_NUMBERS:
            raise M2R2Error(f"windows of {self.numbers} samples are too long")

    def _check_cameras(self) -> None:
        if not isinstance(self.cameras, tuple):
            raise M2R2Error(f"cameras must be a list of names, got {brief(self.cameras)}")
        for name in self.cameras:
            if not isinstance(name, str) or not name.isidentifier():
                raise M2R2Error(
                    f"a camera's name must be a plain word, got {brief(name)}: letters, digits, _"
                )

    @property
    def modalities(self) -> tuple[str, ...]:
        """All modality names in token order."""
        return (*self.cameras, *([AUDIO] * self.audio), *self.signals)

    @property
    def sensed(self) -> tuple[str, ...]:
        """The modalities that a robot publishes: all but those that are derived."""
        return tuple(name for name in self.modalities if name not in dict(self.derived))

    def only(self, modalities: Collection[str]) -> SensorLayout:
        """This layout with these of its modalities."""
        return replace(
            self,
            cameras=tuple(name for name in self.cameras if name in modalities),
            audio=self.audio and AUDIO in modalities,
            signals=self.signals.only(modalities),
            derived=tuple(pair for pair in self.derived if pair[0] in modalities),
        )

    @property
    def period_ns(self) -> int:
        """Nominal window length in nanoseconds."""
        return round(1e9 / self.window_rate_hz)

    @property
    def longest_window_ns(self) -> int:
        """No window is longer: a reference frame that comes later leaves gap windows before it."""
        return self.period_ns * 3 // 2

    def signal_rate(self, name: str) -> int:
        """Samples a second of a signal inside a window."""
        return self.signals[name].rate_hz or self.signal_rate_hz

    def signal_capacity(self, name: str) -> int:
        """Most samples that a signal has in one window (rows of the encoder's padded input)."""
        return -(-self.longest_window_ns * self.signal_rate(name) // 1_000_000_000)

    def nominal_shape(self, name: str) -> tuple[int, int]:
        """Rows and columns of a signal in a window of the nominal length."""
        rows = -(-self.period_ns * self.signal_rate(name) // 1_000_000_000)
        return rows, self.signals[name].width

    @property
    def audio_capacity(self) -> int:
        """Most audio samples in one window (length of the encoder's padded input)."""
        return -(-self.longest_window_ns * self.audio_rate_hz // 1_000_000_000) + 1

    @property
    def numbers(self) -> int:
        """Most numbers that a window has without its pictures."""
        widths = ((self.signal_capacity(name), self.signals[name].width) for name in self.signals)
        return self.audio * self.audio_capacity + sum(rows * width for rows, width in widths)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, the inverse of `from_dict`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["signals"] = self.signals.to_plain()
        derived = values.pop("derived")
        # Older layouts have no such entry, and models that need none are read by older versions.
        return values | ({"derived": dict(derived)} if derived else {})

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
        except (TypeError, ValueError, OverflowError) as error:
            raise M2R2Error(f"bad sensor layout: {error}") from error
