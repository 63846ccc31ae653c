# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from m2r2_ros.evaluation.tables import format_table


def test_table():
    rows = {"coarse": {"acc": 100.0, "edit": 7.25}, "fine": {"acc": 0.0, "edit": 99.96}}
    assert format_table(rows).split("\n") == [
        "           acc    edit",
        "coarse   100.0     7.2",
        "fine       0.0   100.0",
    ]
