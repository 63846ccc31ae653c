# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP and its ablations as a table in Markdown and in JSON, over several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m2r2_ros.evaluation.tables import markdown_table
from m2r2_ros.experiments.result_table import summarised

_RETRIEVAL = ("action", "object", "R@1", "R@5")
_NOTE = (
    "In percent, mean ± sample standard deviation over the seeds. The gallery holds every sentence "
    "of the clips of a split once. Held-out pairs of action and object are in no training clip. "
    "*Paper* is what the ablation cost there: points of success of a policy in another simulator "
    "(RoboAct-CLIP, Table III), to compare signs and order with, not sizes."
)


# Names the table and its files.
ROBOACT = "roboact"
# Rows, and their settings files in config/training; the first is what the others are compared with.
VARIANTS = {
    "RoboAct-CLIP": "roboact_taskboard",
    "ablation 1: no Temporal Diff-Transformer": "roboact_ablation1",
    "ablation 2: no disentanglement": "roboact_ablation2",
    "plain: mean frame, no disentanglement": "roboact_plain",
}

# What was measured of one run on one split: "groups" (group -> metric -> percent), "branch cosine"
# (None without branches), "probes" (branch -> factor -> percent), "confusion" (true action ->
# action it was taken for -> clips), "paper drop" (the paper's change in success, or None).
RunScores = Mapping[str, Any]


def ablation_json(
    data: Mapping[str, Any], scores: Mapping[str, Mapping[str, Sequence[RunScores]]]
) -> dict[str, Any]:
    """JSON-ready; `scores`: split -> name of the row -> RunScores of each seed."""
    return {
        "data": dict(data),
        "splits": {
            split: {
                name: {
                    "groups": _summaries([run["groups"] for run in runs]),
                    "branch cosine": _cosine(runs),
                    "probes": _summaries([run["probes"] for run in runs]),
                    "confusion": [run["confusion"] for run in runs],
                    "paper drop": runs[0]["paper drop"],
                }
                for name, runs in rows.items()
            }
            for split, rows in scores.items()
        },
    }


def ablation_markdown(content: Mapping[str, Any]) -> str:
    """The result of `ablation_json` as Markdown."""
    data = content["data"]
    seeds = ", ".join(map(str, data["seeds"]))
    lines = [f"# RoboAct-CLIP and its ablations on {data['name']}", "", f"Seeds {seeds}. {_NOTE}"]
    for split, rows in content["splits"].items():
        lines += ["", f"## {split}: {data['recordings'][split]} recordings"]
        for group in next(iter(rows.values()))["groups"]:
            lines += _retrieval(group, rows)
        lines += _disentanglement(rows)
        lines += _confusion(*next(iter(rows.items())))
    return "\n".join(lines) + "\n"


def _retrieval(group: str, rows: Mapping[str, Any]) -> list[str]:
    clips = next(iter(rows.values()))["groups"][group]["clips"]["values"][0]
    first = next(iter(rows.values()))["groups"][group]
    heading = ["", *_RETRIEVAL, *(f"change of {name}" for name in ("action", "R@1")), "paper"]
    body = []
    for name, row in rows.items():
        found = row["groups"][group]
        changes = [found[m]["mean"] - first[m]["mean"] for m in ("action", "R@1")]
        shown = [f"{change:+.1f}" if found is not first else "" for change in changes]
        paper = "" if row["paper drop"] is None else f"{row['paper drop']:+.1f}"
        body.append([name, *(_value(found[m]) for m in _RETRIEVAL), *shown, paper])
    return ["", f"### {group}, {clips} clips", "", markdown_table(heading, body)]


def _disentanglement(rows: Mapping[str, Any]) -> list[str]:
    probes = [row["probes"] for row in rows.values()]
    branches = list(dict.fromkeys(branch for found in probes for branch in found))
    factors = list(dict.fromkeys(f for found in probes for entry in found.values() for f in entry))
    heading = ["", "cosine of branches", *(f"{b}: {f}" for b in branches for f in factors)]
    body = []
    for name, row in rows.items():
        found = [row["probes"].get(b, {}).get(f) for b in branches for f in factors]
        cosine = row["branch cosine"]
        body.append([name, "-" if cosine is None else _value(cosine, 2), *map(_value, found)])
    title = "### What a linear probe finds in each branch"
    return ["", title, "", markdown_table(heading, body)]


def _confusion(name: str, row: Mapping[str, Any]) -> list[str]:
    actions = sorted({a for run in row["confusion"] for a in run})
    taken = sorted({a for run in row["confusion"] for found in run.values() for a in found})
    counts = [
        [sum(run.get(action, {}).get(other, 0) for run in row["confusion"]) for other in taken]
        for action in actions
    ]
    body = [[action, *found] for action, found in zip(actions, counts, strict=True)]
    title = f"### {name}: true action, and clips taken for each, over all seeds"
    return ["", title, "", markdown_table(["", *taken], body)]


def _value(summary: Mapping[str, Any] | None, digits: int = 1) -> str:
    if summary is None or summary["mean"] is None:
        return "-"
    spread = "" if summary["std"] is None else f" ± {summary['std']:.{digits}f}"
    return f"{summary['mean']:.{digits}f}{spread}"


def _summaries(runs: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    return {name: summarised([run[name] for run in runs]) for name in runs[0]}


def _cosine(runs: Sequence[RunScores]) -> dict[str, Any] | None:
    found = summarised([{"cosine": run["branch cosine"]} for run in runs])["cosine"]
    return None if found["mean"] is None else found
