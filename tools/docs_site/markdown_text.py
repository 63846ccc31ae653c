# SPDX-License-Identifier: Apache-2.0
"""Markdown for the site: of plain text, and of pages that a code host renders, too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Columns that somebody has aligned, or lines that somebody has indented.
_ALIGNED = re.compile(r"\S {2,}\S|^ ", re.M)
# The line before a list that begins without an empty line, and what belongs to an entry of one.
_BEFORE_LIST = re.compile(r"^(?![*#|-]|\d+\. )(\S.*\n)(?=([*-]|1\.) )", re.M)
_IN_ENTRY = re.compile(r"(?<=\n\n)(?: {2,3}\S.*\n)+")


def python_markdown(text: str) -> str:
    """What CommonMark takes for a list and for its entries, so that Python-Markdown does, too."""
    text = _BEFORE_LIST.sub(r"\1\n", text)
    return _IN_ENTRY.sub(lambda found: re.sub(r"^ +", "    ", found[0], flags=re.M), text)


def plain(text: str) -> str:
    """Text in which nothing is markup but `code`."""
    parts = text.split("`")
    parts[::2] = [
        re.sub(r"([*_\[\]\\])", r"\\\1", part.replace("<", "&lt;")) for part in parts[::2]
    ]
    return "`".join(parts)


def paragraphs(text: str) -> str:
    """A docstring: what is aligned or indented stays as it is."""
    parts = re.split(r"\n\s*\n", text.strip("\n"))
    return "\n\n".join(block(part) if _ALIGNED.search(part) else plain(part) for part in parts)


def block(text: str, language: str = "text") -> str:
    # A fence of four, since pages that are shown may have fences of three.
    return f"````{language}\n{text}\n````"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(value: object) -> str:
    """In a cell of a table, where Python-Markdown would show how a bar is escaped."""
    text = str(value)
    if re.search(r"[|`\\]", text):
        return f"<code>{re.sub('[^A-Za-z0-9 ]', lambda sign: f'&#{ord(sign[0])};', text)}</code>"
    return f"`{text}`" if text else ""
