# SPDX-License-Identifier: Apache-2.0
"""The signals of a layout, by name and in token order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.sensing.signal_entry import declared_signal, entry_of


class Signals(Mapping[str, Signal]):
    """Signals by name, in token order; immutable."""

    def __init__(self, signals: Iterable[Signal] = ()) -> None:
        self._signals = tuple(signals)
        self._by_name = {signal.name: signal for signal in self._signals}

    @classmethod
    def of(cls, declared: Signals | Mapping[str, Any] | Sequence[str]) -> Signals:
        """Names of presets, or name -> entry. Raises M2R2Error."""
        if isinstance(declared, Signals):
            return declared
        if isinstance(declared, Mapping):
            return cls(declared_signal(name, entry) for name, entry in declared.items())
        if isinstance(declared, str) or not isinstance(declared, Sequence):
            raise M2R2Error(f"signals must be names or entries, got {brief(declared)}")
        return cls(declared_signal(name) for name in declared)

    def __getitem__(self, name: str) -> Signal:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return (signal.name for signal in self._signals)

    def __len__(self) -> int:
        return len(self._signals)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signals) and self._signals == other._signals

    def __hash__(self) -> int:
        return hash(self._signals)

    def __repr__(self) -> str:
        return f"Signals({list(self._signals)})"

    def only(self, names: Iterable[str]) -> Signals:
        """Those that are among `names`."""
        chosen = set(names)
        return Signals(signal for signal in self._signals if signal.name in chosen)

    def to_plain(self) -> tuple[str, ...] | dict[str, dict[str, Any]]:
        """JSON-ready form, the inverse of `of`: names alone if all are presets as they are."""
        entries = {signal.name: entry_of(signal) for signal in self._signals}
        return entries if any(entries.values()) else tuple(entries)
