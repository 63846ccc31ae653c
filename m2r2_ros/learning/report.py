# SPDX-License-Identifier: Apache-2.0
"""What `m2r2 learn` has found as one HTML file, and the same as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.evaluation.confusion import class_rows, confusion, labels_by_length
from m2r2_ros.evaluation.html_page import embedded, page_template
from m2r2_ros.evaluation.report_figures import confusion_png, segments_png
from m2r2_ros.evaluation.segments import frame_labels
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.next_recordings import what_to_record
from m2r2_ros.learning.outcome import WAYS, HeldOut, LearningOutcome, Scores, Trial
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.vocabulary import UNKNOWN, UNLABELLED, Vocabulary

# Frames in which confusions are counted.
_RATE_HZ = 10.0
# Of a way: score -> its column.
COMPARED = {"f1@50": "F1@50", "acc": "accuracy", "edit": "edit", "delay_s": "delay [s]"}
# Of a recording: what fits beside each other; `outcome.json` has all.
_SHOWN = (
    *("f1@50", "f1@25", "f1@10", "f1@50_actions", "acc", "edit"),
    *("held_f1@50", "recognised", "false_starts", "delay_s"),
)


def write_report(
    path: Path, outcome: LearningOutcome, findings: Sequence[Finding], vocabulary: Vocabulary
) -> None:
    """Write the report to `path` and what it says beside it, with the ending .json."""
    content = report_content(outcome, findings)
    recordings = worst_first(outcome)
    page = page_template("m2r2_ros.learning", "learned.html").render(
        content,
        title=f"{outcome.models}, learned from {outcome.data}",
        about=about(outcome),
        compared=COMPARED,
        recordings=[{"name": one.recording, "scores": _shown(one.scores)} for one in recordings],
        left_out=outcome.facts.left_out,
        examples=outcome.facts.labels,
        confusion=embedded(_confusion_png(content["confusion"])),
        timelines={
            one.recording: embedded(segments_png(one.truth, one.published, vocabulary))
            for one in Progress(recordings, "timelines")
        },
    )
    for file, text in ((path, page), (path.with_suffix(".json"), json.dumps(content, indent=1))):
        with partial_file(file) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def report_content(outcome: LearningOutcome, findings: Sequence[Finding]) -> dict[str, Any]:
    """What the report says, JSON-ready."""
    pairs = [_frames(one) for one in outcome.held_out()]
    labels = labels_by_length(pairs)
    matrix = confusion(pairs, labels)
    return {
        "next": [str(suggestion) for suggestion in what_to_record(outcome)],
        "findings": [asdict(finding) for finding in findings],
        "ways": [_way(way, outcome) for way in WAYS if way in outcome.ways],
        "chosen": outcome.chosen,
        "reason": outcome.reason,
        "folds": [_fold(fold.name, outcome) for fold in outcome.folds],
        "scores": _shown(outcome.scores),
        "classes": class_rows(matrix, labels),
        "confusion": {"labels": labels, "frames": matrix.tolist()},
    }


def about(outcome: LearningOutcome) -> dict[str, str]:
    """What was learned from, and how, in words."""
    facts = outcome.facts
    groups = sorted(set(facts.groups.values()))
    named = facts.assumed or f"{len(groups)} groups: {', '.join(groups)}"
    encoder, head = outcome.final_epochs
    return {
        "data": f"{outcome.data}: {len(facts.minutes)} recordings, "
        f"{sum(facts.minutes.values()):.1f} minutes, "
        f"{sum(count for count, _ in facts.labels.values())} labelled segments",
        "groups": named,
        "folds": outcome.fold_rule,
        "sensors": ", ".join(facts.sensors),
        "started from": outcome.started_from or "nothing",
        "epochs of the final model": f"encoder {encoder}, head {head}",
        "time": f"{outcome.seconds / 60:.1f} minutes",
        **({"notes": "; ".join(outcome.notes)} if outcome.notes else {}),
    }


def worst_first(outcome: LearningOutcome) -> list[HeldOut]:
    """Held-out recordings by F1@50, equal ones by accuracy."""
    return sorted(outcome.held_out(), key=lambda one: (_known(one, "f1@50"), _known(one, "acc")))


def mean_and_deviation(trials: Sequence[Trial], score: str) -> str:
    """Over folds, "-" where a fold does not have the score."""
    values = [trial.scores.get(score) for trial in trials]
    if not values or None in values:
        return "-"
    digits = 2 if score.endswith("_s") else 1
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def _shown(scores: Scores) -> dict[str, float | None]:
    return {name: scores[name] for name in _SHOWN if name in scores}


def _known(one: HeldOut, score: str) -> float:
    value = one.scores.get(score)
    return 0.0 if value is None else value


def _way(way: str, outcome: LearningOutcome) -> dict[str, Any]:
    trials = outcome.of_way(way)
    return {
        "name": way,
        "chosen": way == outcome.chosen,
        "folds": len(trials),
        "cells": [mean_and_deviation(trials, score) for score in COMPARED],
        "why": outcome.ways[way],
    }


def _fold(name: str, outcome: LearningOutcome) -> dict[str, Any]:
    tried = [way for way in WAYS if outcome.of_way(way)]
    by_way = {trial.way: trial for trial in outcome.trials if trial.fold == name}
    f1 = [by_way[way].scores.get("f1@50") if way in by_way else None for way in tried]
    return {"name": name, "f1": f1, "chosen": outcome.chosen_in.get(name, "")}


def _frames(one: HeldOut) -> tuple[list[str], list[str]]:
    """Published and true labels of the frames that are labelled."""
    end_s = max((segment.end_s for segment in (*one.truth, *one.published)), default=0.0)
    truth = frame_labels(one.truth, end_s, UNLABELLED, _RATE_HZ)
    said = frame_labels(one.published, end_s, UNKNOWN, _RATE_HZ)
    kept = [pair for pair in zip(said, truth, strict=True) if pair[1] != UNLABELLED]
    return [said for said, _ in kept], [true for _, true in kept]


def _confusion_png(content: Mapping[str, Any]) -> bytes:
    return confusion_png(np.array(content["frames"]), content["labels"])
