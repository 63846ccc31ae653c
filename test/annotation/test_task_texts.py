# SPDX-License-Identifier: Apache-2.0
"""The figures of docs/annotation.md for texts like those of public data sets are still true."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import task_texts
from task_texts import Share, score, wilson

from m2r2_ros.annotation.findings import ActionPhrase, Findings

PAGE = Path(__file__).parents[2] / "docs/annotation.md"
LIFT = Findings("Robot", (ActionPhrase("lift", "cup"),))


@pytest.mark.parametrize("name", task_texts.measurements())
def test_the_table_of_the_page_is_what_the_texts_give(name: str) -> None:
    given, read = task_texts.measurements()[name]
    lines = PAGE.read_text("utf-8").splitlines()
    shown = [line for line in lines if line.startswith(f"| {name} |")]
    assert shown == task_texts.table(name, given, read)


def test_every_text_is_annotated_once() -> None:
    texts, more = task_texts.rows(task_texts.TEXTS), task_texts.rows(task_texts.MORE_TEXTS)
    assert (len(texts), len(more)) == (200, 100)
    rows = texts + more
    assert len({row["text"].lower() for row in rows}) == len(rows)
    for row in rows:
        parts = [row[name] for name in ("subject", "action", "object")]
        assert all(parts) if row["answer"] == "single" else not any(parts), row


@pytest.mark.parametrize("file", [task_texts.TEXTS, task_texts.MORE_TEXTS])
def test_as_many_of_each_data_set_as_the_file_says(file: str) -> None:
    head = (task_texts.FOLDER / file).read_text("utf-8").partition("style,")[0]
    said = re.findall(r"\((\d+)\)", head.replace("\n# ", " "))
    counts = Counter(row["style"] for row in task_texts.rows(file))
    counts["langtable"] += counts.pop("calvin")
    assert sorted(map(int, said)) == sorted(counts.values())


@pytest.mark.parametrize(("right", "of"), [(8, 10), (0, 5), (5, 5), (131, 158), (1, 1000)])
def test_the_interval_is_where_the_normal_test_turns(right: int, of: int) -> None:
    """At both ends the observed share is 1.96 standard errors away (Wilson's definition)."""
    for end in wilson(right, of):
        error = (end * (1 - end) / of) ** 0.5
        assert abs(right / of - end) == pytest.approx(1.959964 * error, abs=1e-9)


def test_a_score_counts_by_hand() -> None:
    rows = [
        {"answer": "single", "subject": "Robot", "action": "lift", "object": "cup", "text": "1"},
        {"answer": "single", "subject": "Human", "action": "lift", "object": "cup", "text": "2"},
        {"answer": "single", "subject": "Robot", "action": "lift", "object": "pan", "text": "3"},
        {"answer": "multiple", "subject": "", "action": "", "object": "", "text": "4"},
        {"answer": "single", "subject": "Robot", "action": "lift", "object": "cup", "text": "5"},
        {"answer": "multiple", "subject": "", "action": "", "object": "", "text": "6"},
    ]
    several = Findings("Robot", LIFT.actions * 2)
    answers = [LIFT, LIFT, LIFT, LIFT, several, several]
    shares = score(rows, lambda text: answers[int(text) - 1])
    assert shares["action"] == (Share(3, 4), Share(3, 4))
    assert shares["object"] == (Share(2, 4), Share(2, 4))
    assert shares["all"] == (Share(1, 4), Share(1, 4))
    assert shares["single"] == (Share(3, 4), Share(3, 4))
    assert shares["multiple"] == (Share(1, 2), Share(1, 2))
    assert shares["none"] == (Share(0, 0), Share(0, 0))
