# SPDX-License-Identifier: Apache-2.0
"""Metrics as a plain-text table."""

from __future__ import annotations

from collections.abc import Mapping

from m2r2_ros.errors import printable


def format_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """One line a row under a line of column names; the rows have the same columns.

    Numbers have one decimal.
    """
    rows = {printable(name): values for name, values in rows.items()}
    columns = list(next(iter(rows.values())))
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{printable(column):>8}" for column in columns)]
    lines += [
        f"{name:<{width}}" + "".join(f"{values[column]:8.1f}" for column in columns)
        for name, values in rows.items()
    ]
    return "\n".join(lines)
