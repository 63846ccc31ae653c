# SPDX-License-Identifier: Apache-2.0
"""No control character of a name, a label or a file reaches a terminal, a log or a diagnostic."""

from __future__ import annotations

import ast
import pickle
import random
import sys

import pytest
from source_tree import PACKAGE, python_files

from m2r2_ros.cli._terminal import printable_output
from m2r2_ros.errors import M2R2Error, brief, nearest_name, printable
from m2r2_ros.evaluation.tables import format_table

HOSTILE = (
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\r\n",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u200b",
    "\ufeff",
    "\ud800",
    "\udcff",
    "\ue000",
    "\U000e0001",
)


def hostile_texts() -> list[str]:
    """One for each of HOSTILE, and as many mixtures."""
    chance = random.Random(14)
    single = [f"a{part}b" for part in HOSTILE]
    mixed = ["".join(chance.choices([*HOSTILE, "x", "é", " "], k=20)) for _ in HOSTILE]
    return single + mixed


TEXTS = hostile_texts()


def test_there_are_enough_of_them():
    assert len(TEXTS) >= 100


@pytest.mark.parametrize("text", TEXTS, ids=map(ascii, TEXTS))
def test_every_text_becomes_one_printable_line(text):
    for shown in (printable(text), str(M2R2Error(f"{text}: bad"))):
        assert shown.isprintable()
        shown.encode("utf-8")
    # Nothing is lost: the escapes are Python's.
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    assert printable(text) == escaped


def test_ordinary_text_stays_as_it_is():
    assert printable("Schlüssel 3 µm, 大 [°C]") == "Schlüssel 3 µm, 大 [°C]"
    assert printable(None) == "None"


def test_a_long_text_keeps_its_ends():
    shown = printable("path: " + "x" * 10**6 + " (give the folder)")
    assert len(shown) < 6000
    assert shown.startswith("path: xxx")
    assert shown.endswith("xxx (give the folder)")
    assert "characters more]" in shown


def test_an_error_survives_the_way_between_processes():
    assert str(pickle.loads(pickle.dumps(M2R2Error("a\nb")))) == "a\\nb"


def test_the_values_of_an_error_are_brief():
    bomb: list = ["lol"] * 9
    for _ in range(20):
        bomb = [bomb] * 9
    for value in (bomb, 1 << 10**6, {"a": 1 << 10**6}, "x" * 10**7, b"y" * 10**7):
        assert len(brief(value)) < 1000
    assert brief([1.5, "on"]) == "[1.5, 'on']"


def test_a_name_without_an_end_is_compared_in_no_time():
    assert nearest_name("a" * 10**6, ["reference_camera"]) == ""


@pytest.mark.parametrize("text", TEXTS, ids=map(ascii, TEXTS))
def test_what_a_verb_prints_is_printable(text, capsys):
    with printable_output():
        print(f"one {text} two")
        sys.stderr.writelines([f"one {text} two\n"])
    written = capsys.readouterr()
    for stream, kept in ((written.out, "\n\t"), (written.err, "\n\t\r")):
        assert stream.translate(dict.fromkeys(map(ord, kept))).isprintable()


def test_progress_bars_still_move_over_themselves(capsys):
    with printable_output():
        print("\r 50 %\n\x1b[A", end="", file=sys.stderr)
        print("\r 50 %\x1b[A", end="")
    assert capsys.readouterr() == ("\\r 50 %\\x1b[A", "\r 50 %\n\x1b[A")


def test_a_table_has_a_line_a_row():
    table = format_table({"a\n\x1b[31mb": {"f1\n": 3.0}})
    assert len(table.splitlines()) == 2
    assert "\x1b" not in table


LEVELS = ("debug", "info", "warning", "error", "fatal")


def logged(tree):
    """What the nodes hand to ROS's logger."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in LEVELS:
            source = function.value
            if isinstance(source, ast.Call) and ast.unparse(source.func).endswith("get_logger"):
                yield call.args[0]


def test_every_line_of_a_node_s_log_is_made_printable():
    lines = [
        (path, line)
        for path in python_files(PACKAGE / "nodes")
        for line in logged(ast.parse(path.read_text()))
    ]
    assert len(lines) >= 10
    for path, line in lines:
        is_fixed = isinstance(line, ast.Constant)
        assert is_fixed or ast.unparse(line).startswith("printable("), (path, ast.unparse(line))
