# SPDX-License-Identifier: Apache-2.0
"""Reads the source as text and syntax trees, for tests about how it hangs together."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import make_badges

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "m2r2_ros"
# What setup.py says, whatever is installed.
setup_arguments = cache(make_badges.setup_arguments)


def python_files(*folders: Path) -> list[Path]:
    """All Python files below the folders, hidden and generated ones left out."""
    found = (path for folder in folders for path in folder.rglob("*.py"))
    return sorted(path for path in found if "__pycache__" not in path.parts)


@cache
def imports(source: str) -> frozenset[str]:
    """Full names of the modules that a source text imports, late ones included.

    `from m2r2_ros import errors` counts as m2r2_ros.errors. A relative import stays in its folder
    and is left out.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"line {node.lineno} imports from outside its folder by dots"
            if not node.level:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def top_level(names: frozenset[str]) -> set[str]:
    """The packages that modules belong to."""
    return {name.partition(".")[0] for name in names}


def calls(source: str) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """Every call as its dotted name and its keyword arguments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            keywords = {word.arg: word.value for word in node.keywords if word.arg}
            yield ast.unparse(node.func), keywords


def executables() -> dict[str, tuple[str, str]]:
    """The package's programs: name -> (module, function)."""
    scripts = setup_arguments()["entry_points"]["console_scripts"]
    pairs = (script.split(" = ") for script in scripts)
    return {name: tuple(target.split(":")) for name, target in pairs}
