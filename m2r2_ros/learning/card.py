# SPDX-License-Identifier: Apache-2.0
"""The model card of what `m2r2 learn` made. All its scores are of recordings that were held out."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from m2r2_ros import __version__
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import printable
from m2r2_ros.evaluation.tables import markdown_cell, markdown_table
from m2r2_ros.inference.models import CARD_FILE, ENCODER_FILE, HEAD_FILE
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.outcome import WAYS, LearningOutcome
from m2r2_ros.learning.report import COMPARED, about, mean_and_deviation

# Classes and findings that the card names; the report has all of them.
_MOST_NAMED = 60
_NAMES = {
    "acc": "accuracy",
    "edit": "edit",
    "f1@10": "F1@10",
    "f1@25": "F1@25",
    "f1@50": "F1@50",
    "f1@50_actions": "F1@50, actions",
    "recognised": "recognised",
    "false_starts": "false starts per action",
    "delay_s": "mean delay [s]",
}
_FIGURES = (
    "Percent, of recordings that were held out; the way was chosen inside the training groups of "
    "each fold. Published is what a planner receives. The models of this folder have seen all "
    "recordings and have no score on them: the folds' models are in `folds/`."
)


def write_card(
    models: Path,
    outcome: LearningOutcome,
    findings: Sequence[Finding],
    command: Sequence[str],
) -> None:
    """Write `model_card.md` into a models folder; `command` are the words that made it."""
    with partial_file(models / CARD_FILE) as temporary:
        text = card_text(outcome, findings, command, _files(models, outcome))
        temporary.write_text(text, encoding="utf-8")


def card_text(
    outcome: LearningOutcome, findings: Sequence[Finding], command: Sequence[str], files: str = ""
) -> str:
    """The card in Markdown; `files` is the table of what lies beside it."""
    facts = outcome.facts
    name = markdown_cell(Path(outcome.models).name)
    parts = [
        f"# {name}",
        "An M2R2 encoder and a causal segmentation head, learned by `m2r2 learn` from "
        f"{len(facts.minutes)} labelled recordings for the sensors {', '.join(facts.sensors)}.",
        *([files] if files else []),
        _block(f"m2r2 {shlex.join(command)}"),
        "## What it was learned from",
        _listed({k: v for k, v in about(outcome).items() if k not in ("time", "sensors")}),
        _classes(facts.labels, facts.idle),
        *_unlabelled(outcome),
        "## What it scores",
        _FIGURES,
        _scores(outcome),
        "## How it was chosen",
        markdown_cell(outcome.reason),
        _ways(outcome),
        "Mean over the folds, and their standard deviation.",
        "## Limits",
        _limits(outcome, findings),
        "Not for: safety functions, or anything that must not fail silently.",
        f"Made by m2r2_ros {__version__}; `report.html` has confusions and timelines.",
    ]
    return "\n\n".join(parts) + "\n"


def _files(models: Path, outcome: LearningOutcome) -> str:
    """A table of the models that are there, "" for none."""
    what = {
        ENCODER_FILE: f"{', '.join(outcome.facts.sensors)} of one window -> feature",
        HEAD_FILE: f"feature -> probabilities of {len(outcome.facts.labels)} labels and of a "
        "boundary, with carried state",
    }
    rows = [
        (f"`{name}`", about_it, f"{(models / name).stat().st_size / 1e6:.1f} MB")
        for name, about_it in what.items()
        if (models / name).is_file()
    ]
    return markdown_table(("file", "in -> out", "size"), rows) if rows else ""


def _block(line: str) -> str:
    return "```\n" + printable(line).replace("```", "` ` `") + "\n```"


def _listed(entries: Mapping[str, str]) -> str:
    return "\n".join(f"* {name}: {markdown_cell(value)}" for name, value in entries.items())


def _classes(labels: Mapping[str, tuple[int, float]], idle: Sequence[str]) -> str:
    rows = [
        (label + (" (idle)" if label in idle else ""), count, f"{seconds:.0f}")
        for label, (count, seconds) in list(labels.items())[:_MOST_NAMED]
    ]
    table = markdown_table(("class", "examples", "seconds"), rows)
    more = len(labels) - len(rows)
    return table + (f"\n\n{more} classes more are in `outcome.json`." if more > 0 else "")


def _unlabelled(outcome: LearningOutcome) -> list[str]:
    facts = outcome.facts
    lines = []
    if facts.unlabelled_s > 0:
        lines.append(f"{facts.unlabelled_s:.0f} s are unlabelled: neither learned nor scored.")
    if facts.left_out:
        lines.append("Not learned from:\n\n" + _listed(facts.left_out))
    return lines


def _scores(outcome: LearningOutcome) -> str:
    rows = []
    for score, name in _NAMES.items():
        value = outcome.scores.get(score)
        if value is None:
            continue
        digits = 2 if score in ("delay_s", "false_starts") else 1
        over = outcome.spread.get(score)
        folds = f"{over['mean']:.{digits}f} ± {over['std']:.{digits}f}" if over else "-"
        rows.append((name, f"{value:.{digits}f}", folds))
    return markdown_table(("published", "all held-out recordings", "mean over folds"), rows)


def _ways(outcome: LearningOutcome) -> str:
    rows = [
        (way, *(mean_and_deviation(trials, score) for score in COMPARED), outcome.ways[way])
        for way in WAYS
        if way in outcome.ways
        for trials in [outcome.of_way(way)]
    ]
    return markdown_table(("way", *COMPARED.values(), "why"), rows)


def _limits(outcome: LearningOutcome, findings: Sequence[Finding]) -> str:
    facts = outcome.facts
    groups = len(set(facts.groups.values()))
    lines = [
        f"Known are {groups} group{'s' if groups != 1 else ''} of recordings"
        + (f" ({facts.assumed})" if facts.assumed else "")
        + ": nothing here says how well it does under other conditions.",
        "It knows the classes above: another action is taken for one of them, or is `unknown`.",
    ]
    kinds = Counter(finding.kind for finding in findings)
    if kinds:
        counted = ", ".join(f"{kind} ({count})" for kind, count in kinds.items())
        lines.append(f"Found in the data: {counted}; `report.html` says where.")
    return "\n".join(f"* {markdown_cell(line)}" for line in lines)
