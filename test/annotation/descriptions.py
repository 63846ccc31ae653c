# SPDX-License-Identifier: Apache-2.0
"""Reads descriptions.jsonl, and scores answers to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2r2_ros.annotation.findings import MULTIPLE, Findings

FILE = Path(__file__).with_name("descriptions.jsonl")


def rows(part: str | None = None) -> list[dict[str, Any]]:
    """All rows, or those "made", written "by hand" or "by hand, later"."""
    read = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
    return [row for row in read if part in (None, row["part"])]


def known_answer(row: dict[str, Any]) -> dict[str, Any]:
    """The true answer to a row as a language model would give it."""
    if row["answer"] == "single":
        action = {"action": row["action"], "object": row["object"]}
        return {"subject": row["subject"].lower(), "actions": [action]}
    pair = [{"action": "push", "object": "one"}, {"action": "pull", "object": "other"}]
    return {"subject": "robot", "actions": pair if row["answer"] == "multiple" else []}


@dataclass(frozen=True)
class Score:
    """Of the kept: subject, action and object all right. Of the dropped as multiple: rightly."""

    kept_precision: float
    kept_recall: float
    multiple_precision: float
    multiple_recall: float


def score(rows: list[dict[str, Any]], parse: Callable[[str], Findings]) -> Score:
    right = kept = wanted = 0
    multiple_right = multiple_found = multiple_wanted = 0
    for row in rows:
        findings = parse(row["description"])
        is_single, is_multiple = row["answer"] == "single", row["answer"] == "multiple"
        wanted += is_single
        multiple_wanted += is_multiple
        multiple_found += findings.rejection == MULTIPLE
        multiple_right += is_multiple and findings.rejection == MULTIPLE
        if not findings.rejection:
            kept += 1
            (phrase,) = findings.actions
            found = (findings.subject, phrase.action, phrase.object)
            right += is_single and found == (row["subject"], row["action"], row["object"])
    return Score(
        right / kept,
        right / wanted,
        multiple_right / multiple_found,
        multiple_right / multiple_wanted,
    )
