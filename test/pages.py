# SPDX-License-Identifier: Apache-2.0
"""The pages that people read, and the blocks and commands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from source_tree import ROOT

# What people write; docs/taskboard_sim_v1 is written by commands.
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "models/*/*.md", "recordings/*.md")
    for path in ROOT.glob(pattern)
    if path.parent.name != "taskboard_sim_v1"
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# Four spaces make a block, too, but nobody would see which kind it is.
INDENTED = re.compile(r"^ {4,}(?:m2r2|make|ros2|pip|python3?) .*$", re.M)


def name_of(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of every block; a block of commands has no language."""
    return FENCE.findall(page.read_text("utf-8"))


def commands(page: Path) -> Iterator[str]:
    """The commands of a page, continued lines joined, comments left out."""
    for language, text in blocks(page):
        if not language:
            yield from block_commands(text)


def block_commands(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s&&\s", re.split(r"(?:^|\s)#\s", line)[0]):
            if part.strip():
                yield " ".join(part.split())
