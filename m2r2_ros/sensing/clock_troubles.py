# SPDX-License-Identifier: Apache-2.0
"""What to tell people about clocks that are apart: who is left out, who soon will be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from m2r2_ros.sensing.clock_majority import RETURN_SHARE
from m2r2_ros.sensing.clock_offsets import ClockReading

# A warning comes at this share of the limit ahead, and of the wait for a stream that is behind,
# where the way of a message counts, too.
AHEAD_SHARE = 0.2
BEHIND_SHARE = 2 / 3


@dataclass(frozen=True)
class ClockTrouble:
    """A line about one stream; `is_left_out` when windows are without it for that reason."""

    stream: str
    is_left_out: bool
    text: str


@dataclass(frozen=True)
class ClockStates:
    """All that a line may need.

    astray, late  streams that are left out: beyond the limit, and behind what windows wait for.
    """

    readings: Mapping[str, ClockReading]
    active: Collection[str]
    astray: Collection[str]
    late: Collection[str]
    reference: str | None
    jump_s: float
    patience_s: Callable[[str], float]


def clock_troubles(clocks: ClockStates) -> list[ClockTrouble]:
    """One line a stream that is left out or that drifts there, sorted by name."""
    told = {name: _left_out(name, clocks) for name in clocks.astray}
    told |= {name: _late(name, clocks) for name in clocks.late if name not in told}
    # Of two sides that are apart the lines about one are enough: they name both.
    if 2 * len(told) < len(clocks.active):
        told |= {name: line for name, line in _warnings(clocks).items() if name not in told}
    return [told[name] for name in sorted(told)]


def _warnings(clocks: ClockStates) -> dict[str, ClockTrouble]:
    offsets = {n: r.offset_s for n, r in clocks.readings.items() if n in clocks.active}
    ahead = {n for n, offset_s in offsets.items() if offset_s > AHEAD_SHARE * clocks.jump_s}
    behind = {n for n, o in offsets.items() if -o > BEHIND_SHARE * clocks.patience_s(n)}
    if 2 * len(ahead) >= len(clocks.active) or 2 * len(behind) >= len(clocks.active):
        # Windows wait for either half; beyond the limit the reference camera's is kept.
        losers = ahead if clocks.reference not in ahead else offsets.keys() - ahead
        return {name: _off(name, losers, clocks.jump_s, clocks) for name in losers if ahead}
    lines = {name: _off(name, ahead, clocks.jump_s, clocks) for name in ahead}
    for name in behind:
        lines[name] = _off(name, behind, clocks.patience_s(name), clocks)
    return lines


def _left_out(name: str, clocks: ClockStates) -> ClockTrouble:
    others, kept = _others(clocks.astray, clocks)
    reading = clocks.readings.get(name)
    if reading is not None and abs(reading.offset_s) < RETURN_SHARE * clocks.jump_s:
        # It has just left, or is about to be back: the reading is that of another time.
        text = f"{name} is masked: its clock has stepped away from {others}{kept}"
        return ClockTrouble(name, True, text)
    off = reading.text(others) if reading else f"more than {clocks.jump_s:g} s off {others}"
    return ClockTrouble(name, True, f"{name} is masked: its clock is {off}{kept}")


def _late(name: str, clocks: ClockStates) -> ClockTrouble:
    others, kept = _others(clocks.late, clocks)
    reading = clocks.readings.get(name)
    patience_s = clocks.patience_s(name)
    if reading is None or -reading.offset_s < BEHIND_SHARE * patience_s:
        off = f"later than {others}"
    else:
        off = reading.text(others)
    text = f"{name} is masked: it is {off}{kept}; windows wait {patience_s:.3f} s"
    return ClockTrouble(name, True, text)


def _off(name: str, side: Collection[str], limit_s: float, clocks: ClockStates) -> ClockTrouble:
    others, _ = _others(side, clocks)
    reading = clocks.readings[name].text(others)
    text = f"{name}'s clock is {reading}; it is left out beyond {limit_s:.3g} s"
    return ClockTrouble(name, False, text)


def _others(side: Collection[str], clocks: ClockStates) -> tuple[str, str]:
    """The other side, by name where it may be the one that is wrong, and why it is kept."""
    others = sorted(set(clocks.active) - set(side))
    if 2 * len(side) < len(others) or not others:
        return "the others", ""
    if len(others) != len(side):
        reason = "most streams"
    else:
        reason = "the reference camera's side" if clocks.reference in others else "the first half"
    return ", ".join(others), f"; kept: {reason}"
