# SPDX-License-Identifier: Apache-2.0
"""Which streams of a bag are stamped by which clock, told by their log times.

One recorder gives the log times of all streams, so that their stamps can be compared through it,
also those of streams that begin at different times.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

# Stamps that differ by more than this from those of the others are of another clock, or come late
# by as much: they are refused by the windows (`SensingLimits.jump_s`).
OTHER_CLOCK_NS = 10**9


@dataclass(frozen=True)
class FirstStamp:
    """A stream's first message: its header stamp and when it was recorded."""

    stamp_ns: int
    log_ns: int

    @property
    def offset_ns(self) -> int:
        """Stamps minus log times."""
        return self.stamp_ns - self.log_ns


def common_clock(first: Mapping[str, FirstStamp], reference: str) -> frozenset[str]:
    """The streams on the clock that most streams are on; of as many, those with `reference`."""
    groups = [
        frozenset(
            name for name, other in first.items()
            if abs(other.offset_ns - one.offset_ns) <= OTHER_CLOCK_NS
        )
        for one in first.values()
    ]  # fmt: skip
    newest = {name: one.stamp_ns for name, one in first.items()}
    return max(
        groups,
        key=lambda group: (len(group), reference in group, max(newest[name] for name in group)),
        default=frozenset(),
    )


def start_of(first: Mapping[str, FirstStamp], used: Collection[str], reference: str) -> int | None:
    """Stamp of the first data that is used: of `reference` if it is, else the earliest."""
    if reference in used:
        return first[reference].stamp_ns
    return min((first[name].stamp_ns for name in used), default=None)


def clock_problems(first: Mapping[str, FirstStamp], used: Collection[str]) -> list[str]:
    """A line for each stream on a clock of its own."""
    if not used:
        return []
    offsets = sorted(first[name].offset_ns for name in used)
    common_ns = offsets[len(offsets) // 2]
    lines = []
    for name, one in first.items():
        if name in used:
            continue
        apart_s = (one.offset_ns - common_ns) / 1e9
        side = "ahead of" if apart_s > 0 else "behind"
        cause = f"stamped {abs(apart_s):.1f} s {side} the other streams, by another clock"
        if not one.stamp_ns:
            cause = "stamped zero: its driver does not fill header.stamp"
        lines.append(f"'{name}' is {cause}; it is masked")
    return lines
