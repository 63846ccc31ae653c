# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.evaluation.tables import format_table, markdown_table


def test_table():
    rows = {"coarse": {"acc": 100.0, "edit": 7.25}, "fine": {"acc": 0.0, "edit": 99.96}}
    assert format_table(rows).split("\n") == [
        "           acc    edit",
        "coarse   100.0     7.2",
        "fine       0.0   100.0",
    ]


def test_markdown_table():
    assert markdown_table(("", "n"), [("a|b\nc", 3), ("d", None)]).split("\n") == [
        "|  | n |",
        "| --- | --- |",
        "| a\\|b c | 3 |",
        "| d | None |",
    ]


@given(st.lists(st.tuples(st.text(), st.text(), st.integers()), max_size=5))
def test_no_cell_ends_itself_or_its_line(rows):
    lines = markdown_table(("one", "two", "three"), rows).splitlines()
    assert len(lines) == 2 + len(rows)
    unescaped = [re.sub(r"\\.", "", line) for line in lines]
    assert {line.count("|") for line in unescaped} == {4}
