# SPDX-License-Identifier: Apache-2.0
"""Each row of docs/drivers.md names a test that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROWS = re.findall(r"^\|.*\|$", (ROOT / "docs" / "drivers.md").read_text("utf-8"), re.M)[2:]


def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / "test" / "nodes" / f"{file}.py").read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_row_names_a_test_that_there_is():
    assert len(ROWS) > 30
    for row in ROWS:
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        assert len(cells) == 4, row
        file, _, name = cells[-1].strip("`").partition("::")
        assert name in functions(file), row


def test_each_test_of_drivers_own_types_has_a_row():
    named = {row.rpartition("::")[2].rstrip("` |") for row in ROWS}
    tests = {name for name in functions("driver_rows") if name.startswith("test_")}
    assert tests <= named
