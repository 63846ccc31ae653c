# SPDX-License-Identifier: Apache-2.0
"""A proprioceptive signal of a layout: a preset, or numbers of any meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace

from m2r2_ros.signal_presets import OTHER, PRESETS, Quantity, SignalPreset

Range = tuple[float, float]


@dataclass(frozen=True)
class Signal:
    """One signal; `signal_entry` makes and checks it.

    preset       its kind in PRESETS, "" for none.
    columns, units, ranges   one a column, in the order of the message; no range: the preset's.
    quaternions  [first, last + 1) of the columns x, y, z, w of unit quaternions.
    rate_hz      samples a second in a window; 0: the layout's.
    """

    name: str
    preset: str
    width: int
    columns: tuple[str, ...]
    units: tuple[str, ...]
    ranges: tuple[Range, ...] = ()
    quaternions: tuple[tuple[int, int], ...] = ()
    rate_hz: int = 0

    @property
    def kind(self) -> SignalPreset:
        """The record of its preset, else that of signals without one."""
        return PRESETS[self.preset] if self.preset else OTHER

    def spans(self) -> list[tuple[Quantity, slice]]:
        """Its quantities, each with its columns."""
        if not self.kind.width:
            (kind,) = self.kind.quantities
            unit = ", ".join(dict.fromkeys(self.units))
            return [(replace(kind, unit=unit, columns=self.columns), slice(0, self.width))]
        found, start = [], 0
        for quantity in self.kind.quantities:
            stop = start + len(quantity.columns)
            found.append((quantity, slice(start, stop)))
            start = stop
        return found


def bare_signal(name: str, preset: str, width: int) -> Signal:
    """One of which a layout says its preset, "" for none, and its width alone."""
    kind = PRESETS[preset] if preset else OTHER
    if not kind.width:
        columns = tuple(map(str, range(width)))
        units = (kind.quantities[0].unit,) * width
        return Signal(name, preset, width, columns, units)
    columns = tuple(f"{each.name} {axis}" for each in kind.quantities for axis in each.columns)
    units = tuple(each.unit for each in kind.quantities for _ in each.columns)
    bare = Signal(name, preset, kind.width, columns, units)
    turned = ((span.start, span.stop) for each, span in bare.spans() if each.is_quaternion)
    return replace(bare, quaternions=tuple(turned))
