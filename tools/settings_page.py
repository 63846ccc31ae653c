# SPDX-License-Identifier: Apache-2.0
"""Write docs/settings.md from the settings' source: names, defaults, the comment above each.

Usage: settings_page.py        (with the train extras, from the repository's root)
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "settings.md"
# The meaning of what shares a comment with the entry before it.
ABOVE = "See the entry above."

INTRODUCTION = """# Settings of training

Written by `tools/settings_page.py` from the source. A settings file is YAML with the entries
that differ from these defaults. Groups are nested: `optimiser: {epochs: 3}`. `extends: other.yaml`
takes another file's entries first. A misspelled entry is refused with the nearest name. Complete
files: [`config/training`](../config/training).
"""


def main() -> int:
    PAGE.write_text(page(), "utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


def page() -> str:
    """The whole page, in Markdown."""
    commands = dict(roots())
    parts, shared = [INTRODUCTION], {}
    for command, settings in commands.items():
        parts.append(f"## {command}\n\n{table(settings)}\n")
        shared |= {kind.__name__: kind for kind in groups(settings)}
    for name, kind in sorted(shared.items()):
        parts.append(f"## {name}\n\n{paragraph(kind)}{table(kind)}\n")
    return "\n".join(parts)


def roots() -> Iterator[tuple[str, type]]:
    """A heading and the settings of each command that takes `--config` for training."""
    from m2r2_ros.training import head_registry
    from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
    from m2r2_ros.training.settings import PretrainSettings

    yield "m2r2 pretrain --encoder m2r2", PretrainSettings
    yield "m2r2 pretrain --encoder roboact", RoboActSettings
    for name in head_registry.head_names():
        yield f"m2r2 train --head {name}", head_registry.find_head(name).settings


def groups(settings: type) -> Iterator[type]:
    """The settings inside of settings, at any depth."""
    for kind in get_type_hints(settings).values():
        if is_dataclass(kind):
            yield kind
            yield from groups(kind)


def paragraph(kind: type) -> str:
    return summary(kind) + "\n\n"


def summary(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def others(group: Any) -> str:
    """Where a command has other defaults in a group than the group's own table says."""
    plain = type(group)()
    differing = [
        f"`{entry.name}: {getattr(group, entry.name)}`"
        for entry in fields(group)
        if getattr(group, entry.name) != getattr(plain, entry.name)
    ]
    return f" with {', '.join(differing)}" if differing else ""


def table(settings: type) -> str:
    comments = {name: text for base in reversed(settings.__mro__) for name, text in said(base)}
    kinds, whole = get_type_hints(settings), settings()
    lines = ["| entry | default | meaning |", "|---|---|---|"]
    for entry in fields(settings):
        kind, meaning = kinds[entry.name], comments.get(entry.name, "")
        default = shown(entry)
        if is_dataclass(kind):
            default = (
                f"[{kind.__name__}](#{kind.__name__.lower()}){others(getattr(whole, entry.name))}"
            )
            meaning = summary(kind) if meaning in ("", ABOVE) else meaning
        lines.append(f"| `{entry.name}` | {default} | {meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def shown(entry: Field[Any]) -> str:
    if "description" in entry.metadata:
        return f"{entry.default}"
    value = entry.default if entry.default is not MISSING else entry.default_factory()
    return f"`{list(value) if isinstance(value, tuple) else value}`".replace("``", "")


def said(kind: type) -> Iterator[tuple[str, str]]:
    """A class's own entries, each with the comment above it or its description.

    A comment may stand above several entries, line by line.
    """
    if not is_dataclass(kind):
        return
    for entry in fields(kind):
        if "description" in entry.metadata:
            yield entry.name, entry.metadata["description"]
    lines = textwrap.dedent(inspect.getsource(kind)).splitlines()
    above = 0
    for node in ast.parse("\n".join(lines)).body[0].body:
        if isinstance(node, ast.AnnAssign):
            comment: list[str] = []
            while lines[node.lineno - 2 - len(comment)].strip().startswith("#"):
                comment.insert(0, lines[node.lineno - 2 - len(comment)].strip(" #"))
            if comment:
                yield node.target.id, " ".join(comment)
            elif above == node.lineno - 1:
                yield node.target.id, ABOVE
            above = node.end_lineno if comment or above == node.lineno - 1 else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    importlib.invalidate_caches()
    sys.exit(main())
