# SPDX-License-Identifier: Apache-2.0
"""Stamps of arrays in any type and unit, against Python's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.datasets.array_mapping import STAMP_UNITS, Clock
from m2r2_ros.datasets.array_numbers import odd_stamps, stored_times
from m2r2_ros.errors import M2R2Error

ROWS = np.arange(40)


@given(
    st.sampled_from(["f2", "f4", "f8", "i4", "u4", "i8", "u8"]),
    st.sampled_from(list(STAMP_UNITS)),
    st.lists(st.integers(0, 60_000), min_size=1, max_size=20),
)
def test_a_type_does_not_change_what_a_stamp_is(kind, unit, stamps):
    stored = np.sort(np.array(stamps) / (7 if kind.startswith("f") else 1)).astype(kind)
    found = stored_times(Clock("t", unit=unit), stored)
    expected = [round(value * (10**9 / STAMP_UNITS[unit])) for value in stored.tolist()]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("stored", "unit", "said"),
    [
        (ROWS / 50, "s", ""),
        (ROWS * 20, "ms", ""),
        (ROWS * 20, "s", "its rows are 20 s apart in s: stamps_unit says another unit"),
        (ROWS * 20, "ns", "its rows are 2e-08 s apart in ns"),
        (np.float32(ROWS / 50), "s", ""),
        (np.float32(1e5 + ROWS / 50), "s", "is float32, its stamps are rounded to 0.00781 s"),
        (np.float32(1e8 + ROWS * 20), "ms", "is float32, its stamps are rounded to 0.008 s"),
        (np.float16(ROWS / 50), "s", ""),
        (ROWS // 2 / 25, "s", "20 stamps repeat: the first of each counts"),
        (ROWS[:1], "s", ""),
    ],
)
def test_odd_stamps_are_said(stored, unit, said):
    clock = Clock("t", unit=unit)
    lines = odd_stamps(clock, stored, stored_times(clock, stored))
    assert len(lines) == bool(said)
    assert said in "".join(lines)


@pytest.mark.parametrize(
    ("stored", "remedy"),
    [
        (ROWS // 4, "30 of 40 stamps repeat: give a stamp a row, or rate_hz"),
        (0 * ROWS, "39 of 40 stamps repeat: give a stamp a row, or rate_hz"),
        (np.float32(1.7e9 + ROWS / 50), "is float32, its stamps are rounded to 128 s: store float"),
    ],
)
def test_stamps_that_tell_no_rows_apart_are_refused(stored, remedy):
    clock = Clock("t", unit="s")
    with pytest.raises(M2R2Error, match=remedy):
        odd_stamps(clock, stored, stored_times(clock, stored))
