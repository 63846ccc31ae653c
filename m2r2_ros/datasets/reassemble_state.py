# SPDX-License-Identifier: Apache-2.0
"""Read the clocks and the robot's signals of a REASSEMBLE file, grouped or one a component."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import h5py
import numpy as np

from m2r2_ros.datasets.clocks import (
    DEFAULT_QUATERNION_ORDER,
    MAX_TIME_S,
    on_clock,
    quaternion_order,
    to_nanoseconds,
    unix_unit,
)
from m2r2_ros.datasets.hdf5 import (
    Hdf5Error,
    member_names,
    read_attribute,
    read_numbers,
    subgroup,
)
from m2r2_ros.datasets.reassemble_format import (
    COMPONENTS,
    MISSPELLED_SIGNALS,
    QUATERNION_ORDER_ATTRIBUTE,
    SIGNAL_WIDTHS,
)

QUATERNION_ORDERS = ("auto", "xyzw", "wxyz")

Stamped = tuple[np.ndarray, np.ndarray]
Report = Callable[[str], None]


class Clocks:
    """`timestamps/`: one clock a stream, as int64 nanoseconds."""

    def __init__(self, file: h5py.File, epoch_ns: int, report: Report) -> None:
        self._group = subgroup(file, "timestamps")
        self._names = _names(self._group)
        self._epoch_ns = epoch_ns
        self._report = report

    def stamps(self, *names: str) -> Stamped:
        """Stamps (N,) and the mask (N,) of the usable ones, under the first name there is.

        Raises Hdf5Error when there is none, or it is no list of times.
        """
        name = next((name for name in names if name in self._names), None)
        if name is None:
            raise Hdf5Error("it has no timestamps")
        stamps, usable = to_nanoseconds(self.from_start(self._read(name)))
        if not usable.all():
            self._report(f"'{name}': {(~usable).sum()} samples without an increasing time dropped")
        return stamps + self._epoch_ns, usable

    def from_start(self, times: np.ndarray) -> np.ndarray:
        """Seconds from the recording's start; Unix times count from the file's earliest one."""
        unit = unix_unit(times)
        if not unit or not self._unix_start_s:
            return times
        self._report(
            f"its times are Unix times: they count from the earliest, {self._unix_start_s:.3f}"
        )
        return times * unit - self._unix_start_s

    def _read(self, name: str) -> np.ndarray:
        """One time a sample, (N,), from one column or several that are alike."""
        times = read_numbers(self._group, name)
        if times.ndim == 2 and times.shape[0] == 1:
            times = times.T
        if times.ndim == 2 and times.shape[1] and np.array_equal(
            times, np.repeat(times[:, :1], times.shape[1], axis=1), equal_nan=True
        ):  # fmt: skip
            times = times[:, 0]
        if times.ndim != 1:
            columns = " of columns that differ" if times.ndim == 2 else ""
            raise Hdf5Error(f"its timestamps have shape {times.shape}{columns}, expected (N,)")
        return times

    @cached_property
    def _unix_start_s(self) -> float:
        earliest = []
        for name in self._names:
            try:
                times = self._read(name)
            except Hdf5Error:
                continue
            if unit := unix_unit(times):
                known = times[np.isfinite(times)] * unit
                # One wild stamp is not the start. None is where times in another unit are no clock.
                near = known[np.abs(known - np.median(known)) <= MAX_TIME_S]
                earliest += [near.min()] if len(near) else []
        return float(min(earliest, default=0.0))

    def stamp_values(self, values: np.ndarray, *names: str) -> Stamped:
        """Give `values` (N, D) their usable stamps; the longer of the two is cut."""
        stamps, usable = self.stamps(*names)
        if len(stamps) != len(values):
            self._report(f"'{names[0]}': {len(values)} samples, {len(stamps)} timestamps")
        length = min(len(stamps), len(values))
        kept = usable[:length]
        return stamps[:length][kept], values[:length][kept]


class RobotState:
    """`robot_state/`: `names` are the signals that are there, in either form."""

    def __init__(self, file: h5py.File, clocks: Clocks, order: str, report: Report) -> None:
        self._group = subgroup(file, "robot_state")
        self._members = _names(self._group)
        self._clocks = clocks
        self._order = order
        self._report = report
        self.names = tuple(name for name in SIGNAL_WIDTHS if self._has(name))

    def signal(self, name: str) -> Stamped:
        """Stamps int64 (N,) and values float64 (N, D). Raises Hdf5Error."""
        spelling = self._spelling(name)
        if spelling is None:
            return self._from_components(name)
        values = read_numbers(self._group, spelling)
        if values.ndim != 2 or values.shape[1] != SIGNAL_WIDTHS[name]:
            raise Hdf5Error(f"it has shape {values.shape}, expected (N, {SIGNAL_WIDTHS[name]})")
        stamps, values = self._clocks.stamp_values(values, *self.clock_names(name))
        return stamps, self._xyzw(values) if name == "pose" else values

    def clock_names(self, name: str) -> tuple[str, ...]:
        """Names under which the timestamps of a signal may be kept."""
        spelling = self._spelling(name)
        if spelling is None:
            return COMPONENTS[name][0], name
        return spelling, *_spellings(name)

    def _has(self, name: str) -> bool:
        return self._spelling(name) is not None or self._members.issuperset(COMPONENTS[name])

    def _spelling(self, name: str) -> str | None:
        """How the file spells a grouped signal; None when it has none."""
        return next((text for text in _spellings(name) if text in self._members), None)

    def _from_components(self, name: str) -> Stamped:
        """Put the columns together on the clock of the first."""
        columns = [
            self._clocks.stamp_values(
                read_numbers(self._group, component).reshape(-1, 1), component, name
            )
            for component in COMPONENTS[name]
        ]
        clock = columns[0][0]
        return clock, np.hstack([on_clock(clock, *column) for column in columns])

    def _xyzw(self, poses: np.ndarray) -> np.ndarray:
        order = self._quaternion_order(poses[:, 3:])
        return poses if order == "xyzw" else poses[:, [0, 1, 2, 4, 5, 6, 3]]

    def _quaternion_order(self, quaternions: np.ndarray) -> str:
        if self._order != "auto":
            return self._order
        stated = read_attribute(self._group, "pose", QUATERNION_ORDER_ATTRIBUTE)
        if stated in QUATERNION_ORDERS[1:]:
            return stated
        shown = quaternion_order(quaternions)
        if shown is None:
            self._report(
                f"'pose' does not show the order of its quaternion: read as "
                f"{DEFAULT_QUATERNION_ORDER}"
            )
        return shown or DEFAULT_QUATERNION_ORDER


def _names(group: h5py.Group | None) -> set[str]:
    return set(member_names(group)) if group is not None else set()


def _spellings(name: str) -> list[str]:
    return [name, *(wrong for wrong, right in MISSPELLED_SIGNALS.items() if right == name)]
