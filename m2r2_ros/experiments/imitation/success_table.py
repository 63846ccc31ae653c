# SPDX-License-Identifier: Apache-2.0
"""Success of policies as a table in Markdown, next to the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2r2_ros.evaluation.tables import markdown_table

_NOTE = (
    "Success in percent, in brackets the 95 % interval over the episodes, and how near the hand, "
    "or what it held, came to where it had to be (median). The column in italics is what the paper "
    "reports, on four tasks of Franka Kitchen: another robot and other tasks, so compare the order "
    "and the distances to the first row, not the numbers."
)


def comparison_markdown(found: Mapping[str, Any]) -> str:
    """The result of `policy_comparison.compare` as Markdown."""
    tasks, overall = found["tasks"], found["overall"]
    first = next(iter(overall.values()))
    lines = ["# Policies on the simulated board", "", _NOTE, ""]
    for name, task in tasks.items():
        made = task["demonstrations"]
        lines.append(
            f"- {name}: {found['episodes']} episodes, the same for all; the operator succeeded in "
            f"{made['successful']} of {made['shown']} demonstrations, which all learn from"
        )
    columns = [column for name in tasks for column in (name, f"{name}, nearest")]
    head = ["Sees by", *columns, "Overall", "to the first", "*paper*", "*to the first*"]
    body = []
    for name, total in overall.items():
        cells = [name]
        for task in tasks.values():
            row = task["policies"][name]
            low, high = row["interval"]
            cells.append(f"{row['success']:.0f} ({low:.0f} to {high:.0f})")
            cells.append(f"{1e3 * row['nearest_m']:.1f} mm")
        cells += [f"{total['success']:.1f}", _change(total["success"], first["success"])]
        cells += [_paper(total["paper"]), _change(total["paper"], first["paper"])]
        body.append(cells)
    return "\n".join([*lines, "", markdown_table(head, body)]) + "\n"


def _paper(value: float | None) -> str:
    return "-" if value is None else f"*{value:.1f}*"


def _change(value: float | None, first: float | None) -> str:
    return "-" if value is None or first is None else f"{value - first:+.1f}"
