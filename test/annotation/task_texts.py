# SPDX-License-Identifier: Apache-2.0
"""Precision and recall of the rules on annotated task descriptions, each with a 95 % interval.

Prints the table of docs/annotation.md, the kinds of texts that are read wrong, and each of those.
What the rules found at first sight is kept, since later rules find something else.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from m2r2_ros.annotation.findings import MULTIPLE, Findings
from m2r2_ros.annotation.parser import parse
from m2r2_ros.annotation.prompt import findings_from_json

FOLDER = Path(__file__).parent
TEXTS, MORE_TEXTS = "task_texts.csv", "task_texts_fresh.csv"
FIRST_SIGHT = "task_texts_first_sight.jsonl"
SINGLE, SEVERAL, NONE = "single", "multiple", "none"
Z_95 = 1.959964

Row = dict[str, str]
Reader = Callable[[str], Findings]


def measurements() -> dict[str, tuple[list[Row], Reader]]:
    """Name of a set of texts -> the texts, and what reads them."""
    texts, more = rows(TEXTS), rows(MORE_TEXTS)
    return {
        "200, first sight": (texts, first_sight()),
        "200, mended rules": (texts, parse),
        "100 others, rules of then": (more, first_sight()),
        "**100 others, mended rules**": (more, parse),
    }


def first_sight() -> Reader:
    """What the rules found in each text before any was mended."""
    lines = (FOLDER / FIRST_SIGHT).read_text("utf-8").splitlines()
    found = {entry["text"]: findings_from_json(entry) for entry in map(json.loads, lines)}
    return found.__getitem__


def rows(file: str) -> list[Row]:
    """Keys style, kind, answer, subject, action, object, text. Lines from "#" on tell the rules."""
    lines = (FOLDER / file).read_text("utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    share, spread = right / of, Z_95**2 / of
    middle = share + spread / 2
    reach = Z_95 * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return (middle - reach) / (1 + spread), (middle + reach) / (1 + spread)


@dataclass(frozen=True)
class Share:
    """`right` of `of`, in per cent with its interval."""

    right: int
    of: int

    def __str__(self) -> str:
        if not self.of:
            return "none"
        low, high = (100 * end for end in wilson(self.right, self.of))
        return f"{100 * self.right / self.of:.1f} % ({low:.1f} to {high:.1f})"


def answer_of(findings: Findings) -> str:
    if not findings.rejection:
        return SINGLE
    return SEVERAL if findings.rejection == MULTIPLE else NONE


def parts_right(row: Row, findings: Findings) -> dict[str, bool]:
    """Which parts of a kept text are right; all are wrong where the text should be dropped."""
    phrase = findings.actions[0]
    wanted, found = row["answer"] == SINGLE, (findings.subject, phrase.action, phrase.object)
    subject, action, thing = (
        wanted and row[name] == value
        for name, value in zip(("subject", "action", "object"), found, strict=True)
    )
    return {"action": action, "object": thing, "all": subject and action and thing}


def score(given: Iterable[Row], read: Reader) -> dict[str, tuple[Share, Share]]:
    """Part -> precision (of what is found) and recall (of what is annotated)."""
    found, wanted, right = Counter[str](), Counter[str](), Counter[str]()
    for row in given:
        findings = read(row["text"])
        answer = answer_of(findings)
        found[answer] += 1
        wanted[row["answer"]] += 1
        right[answer] += answer == row["answer"]
        if answer == SINGLE:
            right.update(name for name, fits in parts_right(row, findings).items() if fits)
    shares = {
        name: (Share(right[name], found[SINGLE]), Share(right[name], wanted[SINGLE]))
        for name in ("action", "object", "all")
    }
    for answer in (SINGLE, SEVERAL, NONE):
        shares[answer] = Share(right[answer], found[answer]), Share(right[answer], wanted[answer])
    return shares


def is_right(row: Row, findings: Findings) -> bool:
    answer = answer_of(findings)
    return answer == row["answer"] and (answer != SINGLE or parts_right(row, findings)["all"])


def mistakes(given: Iterable[Row], read: Reader) -> list[tuple[Row, Findings]]:
    return [(row, found) for row in given if not is_right(row, found := read(row["text"]))]


NAMES = {
    "action": "action",
    "object": "object",
    "all": "subject, action and object",
    SINGLE: "kept as one action",
    SEVERAL: "dropped as several",
    NONE: "dropped as none",
}
HEADER = ["| texts | part | precision | recall |", "|---|---|---|---|"]


def table(name: str, given: Iterable[Row], read: Reader) -> list[str]:
    """Rows of Markdown, below HEADER."""
    shares = score(given, read)
    return [f"| {name} | {NAMES[part]} | {p} | {r} |" for part, (p, r) in shares.items()]


def kinds(given: list[Row], read: Reader) -> str:
    """How many texts of each kind are read wrong, the most first."""
    total = Counter(row["kind"] for row in given)
    wrong = Counter(row["kind"] for row, _ in mistakes(given, read))
    ordered = sorted(wrong, key=lambda kind: (-wrong[kind], kind))
    return ", ".join(f"{kind} {wrong[kind]} of {total[kind]}" for kind in ordered)


def main() -> None:
    print(*HEADER, sep="\n")
    for name, (given, read) in measurements().items():
        print(*table(name, given, read), sep="\n")
    for name, (given, read) in measurements().items():
        print(f"\n{name}, read wrong: {kinds(given, read)}")
        for row, found in mistakes(given, read):
            wanted = " / ".join(filter(None, (row["answer"], row["action"], row["object"])))
            seen = [f"{phrase.action} / {phrase.object}" for phrase in found.actions]
            print(f"  {row['kind']}: {row['text']} => {wanted}; found {seen}")


if __name__ == "__main__":
    main()
