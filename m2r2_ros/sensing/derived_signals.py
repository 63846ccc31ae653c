# SPDX-License-Identifier: Apache-2.0
"""Signals that no topic brings: `derived: {twist: pose}` in a layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.sensing.derived_twist import DerivedTwist
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.signal_set import Signals

# (signal, source), in the layout's order.
Derived = tuple[tuple[str, str], ...]

# The one derivation there is.
_SIGNAL, _SOURCE = "twist", "pose"


def checked_derived(given: Any, signals: Signals) -> Derived:
    """Pairs or a mapping as pairs. Raises M2R2Error when a twist is not derived from a pose."""
    try:
        pairs = tuple(given.items()) if isinstance(given, Mapping) else tuple(map(tuple, given))
        derived = {signal: source for signal, source in pairs}
    except (TypeError, ValueError):
        raise M2R2Error(
            f"derived must be entries such as twist: pose, got {brief(given)}"
        ) from None
    for signal, source in derived.items():
        for name, preset in ((signal, _SIGNAL), (source, _SOURCE)):
            _check(name, preset, signals, f"derived {brief(signal)}: {brief(source)}")
    return tuple(derived.items())


def _check(name: object, preset: str, signals: Signals, entry: str) -> None:
    if not isinstance(name, str) or name not in signals:
        near = nearest_name(str(name), signals)
        raise M2R2Error(f"{entry}: the layout has no signal {brief(name)}{near}")
    if signals[name].preset != preset:
        raise M2R2Error(f"{entry}: a {_SIGNAL} from a {_SOURCE}, but {brief(name)} is no {preset}")


class DerivedSignals:
    """The derived signals of a layout, in the state of what has come of their sources."""

    def __init__(self, derived: Derived, limits: SensingLimits) -> None:
        self._of_source: dict[str, dict[str, DerivedTwist]] = {}
        for signal, source in derived:
            self._of_source.setdefault(source, {})[signal] = DerivedTwist(limits)

    def add(
        self, source: str, stamps: np.ndarray, values: np.ndarray
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What new rows of a signal give: name -> stamps int64 (m,), values float64 (m, D)."""
        derived = self._of_source.get(source, {})
        return {name: twist.add(stamps, values) for name, twist in derived.items()}

    def clear(self) -> None:
        """Forget the past of all."""
        for signals in self._of_source.values():
            for twist in signals.values():
                twist.clear()
