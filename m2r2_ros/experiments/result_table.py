# SPDX-License-Identifier: Apache-2.0
"""Scores of several seeds as a table in Markdown and in JSON, beside published figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2r2_ros.evaluation.tables import markdown_cell, markdown_table
from m2r2_ros.experiments.paper_figures import METRICS, Row

# labels -> scores of each seed, in order of the seeds.
SeedScores = Mapping[str, Sequence[Mapping[str, float | None]]]

_HEADINGS = ("F1@10", "F1@25", "F1@50", "Acc", "Edit", "DR")
_TITLES = {"table1": "Table I", "table2": "Table II", "objective": "The objective of pretraining"}
_WARNING = (
    "**Not REASSEMBLE.** The rows in italics are the paper's figures on REASSEMBLE, which robots "
    "recorded; all others were measured on another data set, named above. They stand side by side "
    "to compare the order of the methods, not the numbers."
)


def table_json(
    table: str,
    data: Mapping[str, Any],
    rows: Sequence[Row],
    scores: Mapping[str, Mapping[str, SeedScores]],
) -> dict[str, Any]:
    """JSON-ready. `scores`: split -> row key -> labels -> scores of each seed."""
    return {
        "table": table,
        "data": dict(data),
        "splits": {
            split: {
                row.name: {
                    level: summarised(each) for level, each in found.get(row.key, {}).items()
                }
                for row in rows
            }
            for split, found in scores.items()
        },
        "published_on_reassemble": {row.name: row.published for row in rows if row.published},
    }


def summarised(scores: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    """Metric -> values of all seeds, their mean, and their sample standard deviation.

    The deviation is None for one seed. Seeds without a value (a delay of nothing) are left out;
    the mean is None when all are.
    """
    summary = {}
    for metric in scores[0]:
        values = [s[metric] for s in scores]
        known = [value for value in values if value is not None]
        summary[metric] = {
            "mean": statistics.fmean(known) if known else None,
            "std": statistics.stdev(known) if len(known) > 1 else None,
            "values": values,
        }
    return summary


def table_markdown(content: Mapping[str, Any], levels: Sequence[str]) -> str:
    """The result of `table_json` as Markdown. `levels`: "fine", or "fine" and "coarse"."""
    data = content["data"]
    lines = [
        f"# {_TITLES[content['table']]} of M2R2 on {markdown_cell(data['name'])}",
        "",
        _WARNING,
        "",
        f"Heads were trained with {_seeds(data['seeds'])}"
        f" (mean ± sample standard deviation); the encoder {_times(data)}. In percent.",
    ]
    if "head" in data:
        lines += [
            "",
            f"The head is '{markdown_cell(data['head'])}'; the paper's figures are with DiffAct.",
        ]
    for split, rows in content["splits"].items():
        lines += ["", f"## {markdown_cell(split)}: {data['recordings'][split]} recordings", ""]
        header = ["Method", *(f"{level} {h}" for level in levels for h in _HEADINGS)]
        body = _rows(rows, content["published_on_reassemble"], levels)
        lines += [markdown_table(header, body)]
        lines += _truth_against_itself(rows) + _delays(rows)
    return "\n".join(lines) + "\n"


def real_markdown(content: Mapping[str, Any]) -> str:
    """The result of `RealTable.content` as Markdown."""
    data, rows = content["data"], content["rows"]
    kind = "group" if data["by_groups"] else "split"
    header = ["Method", *(f"{level} {h}" for level in data["labels"] for h in _HEADINGS)]
    return "\n".join(
        [
            f"# Heads on {markdown_cell(data['name'])}",
            "",
            f"{data['recordings']} recordings, {data['rate_hz']:.4g} frames a second. Each of "
            f"{len(data['parts'])} {kind}s was tested on once, by heads trained without it; counts "
            f"are of all of them at once. Trained with {_seeds(data['seeds'])} (mean ± sample "
            "standard deviation). In percent.",
            "",
            markdown_table(header, _rows(rows, {}, data["labels"])),
            *_truth_against_itself(rows),
            *_delays(rows),
            "",
        ]
    )


def _rows(
    rows: Mapping[str, Any], published: Mapping[str, Any], levels: Sequence[str]
) -> Iterator[list[str]]:
    """Each method, and below it the paper's figures where it has some."""
    for name, summaries in rows.items():
        yield [name, *_measured(summaries, levels)]
        if published.get(name):
            yield ["*paper, REASSEMBLE*", *_published(published[name], levels)]


def _times(data: Mapping[str, Any]) -> str:
    count = data["encoder_seeds"]
    return "once" if count == 1 else f"with {count} seeds, each head on all of them"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _measured(summaries: Mapping[str, Any], levels: Sequence[str]) -> list[str]:
    cells = []
    for level in levels:
        for metric in METRICS:
            entry = summaries.get(level, {}).get(metric)
            spread = "" if entry is None or entry["std"] is None else f" ± {entry['std']:.1f}"
            cells.append("-" if entry is None else f"{entry['mean']:.1f}{spread}")
    return cells


def _published(published: Mapping[str, Any], levels: Sequence[str]) -> list[str]:
    found = [published.get(level, {}).get(metric) for level in levels for metric in METRICS]
    return ["-" if value is None else f"*{value:.1f}*" for value in found]


def _truth_against_itself(rows: Mapping[str, Any]) -> list[str]:
    """DR means nothing without it."""
    found = {
        level: summary["dr_truth"]["mean"]
        for summaries in rows.values()
        for level, summary in summaries.items()
        if "dr_truth" in summary
    }
    said = ", ".join(f"{value:.1f} with {level} labels" for level, value in found.items())
    return ["", f"The truth's own DR: {said}."] if said else []


def _delays(rows: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, summaries in rows.items():
        for level, summary in summaries.items():
            known = {key: entry["mean"] for key, entry in summary.items()}
            if known.get("delay_s") is not None:
                lines.append(
                    f"- {name}, {level} labels: {known['recognised']:.1f} % of the actions "
                    f"recognised, {known['delay_s']:.2f} s after their start (median "
                    f"{known['delay_p50_s']:.2f} s, 90th percentile {known['delay_p90_s']:.2f} s), "
                    f"{known['false_starts']:.2f} false starts an action; held: accuracy "
                    f"{known['held_acc']:.1f}, F1@50 {known['held_f1@50']:.1f}"
                )
    return ["", *lines] if lines else []
