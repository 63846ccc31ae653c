# SPDX-License-Identifier: Apache-2.0
"""What an array of stamps or values has to be like; errors name the array and what to do."""

from __future__ import annotations

import numpy as np

from m2r2_ros.datasets.array_mapping import STAMP_UNITS, Clock, Columns
from m2r2_ros.errors import M2R2Error

# A header stamp has 31 bits of seconds.
MAX_STAMP_S = 2**31
# Steps of stamps that a sensor notices, and times between rows that no sensor has.
_COARSE_S, _FASTEST_S, _SLOWEST_S = 1e-3, 1e-5, 1.0


def numbers(name: str, stored: np.ndarray) -> np.ndarray:
    """The array, if it holds numbers. Raises M2R2Error."""
    if stored.dtype.kind in "mM":
        raise M2R2Error(
            f"'{name}' holds {stored.dtype}, not numbers: store its .astype('int64'), and say the "
            "unit in stamps_unit"
        )
    if stored.dtype.kind not in "fiub":
        raise M2R2Error(f"'{name}' holds {stored.dtype}, not numbers")
    return stored


def chosen_columns(columns: Columns, stored: np.ndarray) -> np.ndarray:
    """float64 (N, D). Raises M2R2Error."""
    table = stored[:, None] if stored.ndim == 1 else stored
    if table.ndim != 2:
        raise M2R2Error(f"'{columns.array}' has the shape {stored.shape}: a signal is a table")
    if columns.stop is not None and columns.stop > table.shape[1]:
        raise M2R2Error(f"{columns}: '{columns.array}' has {table.shape[1]} columns")
    return table[:, columns.start : columns.stop].astype(np.float64)


def stored_times(clock: Clock, stored: np.ndarray) -> np.ndarray:
    """Stamps as they are stored, int64 (N,) [ns], never decreasing. Raises M2R2Error."""
    name, per_second = clock.stamps, STAMP_UNITS[clock.unit]
    times = stored[:, 0] if stored.ndim == 2 and stored.shape[1] == 1 else stored
    if times.ndim != 1 or not len(times):
        raise M2R2Error(f"'{name}' has the shape {stored.shape}: stamps are one a row")
    if times.dtype.kind == "b":
        raise M2R2Error(f"'{name}' holds true and false: name the array of the stamps")
    if not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times))[0])
        raise M2R2Error(f"'{name}' is {times[row]} at row {row}: remove rows without a stamp")
    longest_s = float(np.abs(times.astype(np.float64)).max()) / per_second
    if longest_s >= MAX_STAMP_S:
        raise M2R2Error(
            f"'{name}' reaches {longest_s:g} s: stamps_unit says its unit (s, ms, us, ns)"
        )
    if (backward := np.flatnonzero(times[1:] < times[:-1])).size:
        row = int(backward[0]) + 1
        raise M2R2Error(
            f"'{name}' steps back at row {row} ({times[row - 1]} to {times[row]}): sort the rows, "
            "or cut the recording in two there"
        )
    if times.dtype.kind in "iu":
        return times.astype(np.int64) * (10**9 // per_second)
    return np.round(times.astype(np.float64) * (1e9 / per_second)).astype(np.int64)


def odd_stamps(clock: Clock, stored: np.ndarray, stamps: np.ndarray) -> list[str]:
    """What is odd about stamps int64 (N,) [ns], a line each. Raises M2R2Error on useless ones."""
    repeated, lines = int(np.count_nonzero(np.diff(stamps) == 0)), []
    step_s = float(np.spacing(np.abs(stored).max())) / STAMP_UNITS[clock.unit]
    rounded = ""
    if stored.dtype.kind == "f" and stored.dtype.itemsize < 8 and step_s >= _COARSE_S:
        rounded = f"'{clock.stamps}' is {stored.dtype}, its stamps are rounded to {step_s:.3g} s"
    if 2 * repeated > len(stamps):
        why = f"{rounded}: store float64" if rounded else "give a stamp a row, or rate_hz"
        raise M2R2Error(f"'{clock.stamps}': {repeated} of {len(stamps)} stamps repeat: {why}")
    if repeated:
        lines.append(f"'{clock.stamps}': {repeated} stamps repeat: the first of each counts")
    if rounded:
        lines.append(f"{rounded}: float64 holds them")
    steps = np.diff(np.unique(stamps))
    usual_s = float(np.median(steps)) / 1e9 if len(steps) else _FASTEST_S
    if not _FASTEST_S <= usual_s <= _SLOWEST_S:
        lines.append(
            f"'{clock.stamps}': its rows are {usual_s:.3g} s apart in {clock.unit}: stamps_unit "
            "says another unit (s, ms, us, ns)"
        )
    return lines
