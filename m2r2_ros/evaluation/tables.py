# SPDX-License-Identifier: Apache-2.0
"""Tables: metrics in plain text, and any rows in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from m2r2_ros.errors import printable

# In lines, since one would be longer than a terminal: overlap with the segments as published,
# boundaries, what a planner held.
_LINES = (
    ("acc", "edit", "f1@10", "f1@25", "f1@50", "f1@50_actions"),
    ("boundary_f1", "dr", "dr_truth"),
    ("held_acc", "held_f1@50"),
)


def scores_text(scores: Mapping[str, float | None], title: str) -> str:
    """What `predictions.score_predictions` gave, under a title."""
    lines = [title]
    for names in _LINES:
        known = [f"{name} {scores[name]:.1f}" for name in names if name in scores]
        lines += ["  " + "  ".join(known)] if known else []
    return "\n".join([*lines, *_timeliness(scores)])


def _timeliness(scores: Mapping[str, float | None]) -> list[str]:
    """A delay never stands without what was recognised and what was false."""
    if scores.get("recognised") is None:
        return []
    found = f"  recognised {scores['recognised']:.1f} % of the actions"
    if scores["delay_s"] is not None:
        found += (
            f", {scores['delay_s']:.2f} s after their start (median {scores['delay_p50_s']:.2f}, "
            f"90th percentile {scores['delay_p90_s']:.2f})"
        )
    return [found, f"  false starts: {scores['false_starts']:.2f} per action"]


def outlook_text(scores: Mapping[str, Any]) -> str:
    """What `outlook_scores.score_outlook` gave."""
    lines = []
    for action, of in scores["outcome"].items():
        found = (
            f"  outcome of {printable(action)}: {of['succeeded']} succeeded, {of['failed']} "
            f"failed, {of['met']} met, {of['told']} told"
        )
        if of["auroc"] is not None:
            found += (
                f"; AUROC {_share(of['auroc'], of['auroc_interval'])}, by duration "
                f"{of['auroc_duration']:.2f}"
            )
        if of["ece"] is not None:
            found += f"; ECE {of['ece']:.2f}"
        if of["f1_failures"] is not None:
            found += f"; F1 of failures {_share(of['f1_failures'], of['f1_failures_interval'])}"
        lines.append(found)
    for kind, of in scores["progress"].items():
        if of["error"] is not None:
            lines.append(
                f"  progress of {of['actions']} actions ({kind}): mean error "
                f"{_share(of['error'], of['error_interval'])}, by elapsed time "
                f"{of['elapsed_error']:.2f}, told in {100 * of['told']:.0f} % of their frames"
            )
    return "\n".join(lines)


def _share(value: float, interval: Sequence[float] | None) -> str:
    if interval is None:
        return f"{value:.2f}"
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


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


def markdown_table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown, without a line end behind it; no cell can end itself or its line."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(markdown_cell, line)) + " |" for line in lines)


def markdown_cell(value: object) -> str:
    """Text from outside on one line of Markdown, in or out of a table."""
    return " ".join(re.sub(r"[|\\]", r"\\\g<0>", str(value)).split())
