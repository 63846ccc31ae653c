# SPDX-License-Identifier: Apache-2.0
"""docs/tutorials/planner.md, run: its two commands and, beside them, each program that it shows."""

from __future__ import annotations

import re
import shlex
import sys
import xml.etree.ElementTree as ElementTree
from contextlib import ExitStack

import pytest
from harness import Program, spin_until
from pages import blocks, commands
from source_tree import ROOT

pytest.importorskip("py_trees")

PAGE = ROOT / "docs" / "tutorials" / "planner.md"
BEHAVIOURTREE = ROOT / "examples" / "behaviortree_cpp"


def program(folder, *words):
    made = Program(folder, "planner")
    made.log = made.log.with_name(f"{words[-1].rsplit('/')[-1]}_{made.log.name}")
    made.command = [sys.executable, *words]
    return made


def example(folder, first):
    """The page's command that begins with the words `first`."""
    (line,) = (command for command in commands(PAGE) if command.startswith(first))
    _, file, *words = shlex.split(line)
    return program(folder, str(ROOT / file), *words)


def test_the_supervisor_reacts_to_a_failed_insertion(node, tmp_path):
    shown = [text for language, text in blocks(PAGE) if language == "python"]
    expected = next(text for _, text in blocks(PAGE) if "insert USB failed" in text)
    watchers = [example(tmp_path, "python3 examples/planner.py")]
    for index, text in enumerate(shown):
        (tmp_path / f"program{index}.py").write_text(text)
        watchers.append(program(tmp_path, str(tmp_path / f"program{index}.py")))
    supervisor = example(tmp_path, "python3 examples/pick_and_place_supervisor.py")
    with ExitStack() as stack:
        robot = stack.enter_context(example(tmp_path, "python3 examples/scripted_robot.py"))
        planner, script, tree = (stack.enter_context(watcher) for watcher in watchers)
        # They wait for what is about to come.
        spin_until(
            node,
            lambda: len(node.get_subscriptions_info_by_topic("/action_segment")) >= len(watchers),
            "the planners",
        )
        stack.enter_context(supervisor)
        for each in (supervisor, script, tree):
            spin_until(node, lambda each=each: each.ended, "its end")
        assert supervisor.end() == 0, supervisor.output
        assert supervisor.output == expected
        assert script.output == "insert USB: FAILURE\n"
        assert tree.output == "FAILURE: insert USB: failure (0.90)\n"
        said = r"started pick usb \(0.90\)\nended pick usb after [\d.]+ s: success\n"
        spin_until(node, lambda: re.match(said, planner.output), "what a planner prints")
        assert robot.output.count("asked to insert USB") == 2
        for each in (planner, robot):
            each.interrupt()
            assert "Traceback" not in each.output


def test_the_tree_of_the_wrapper_uses_what_the_header_declares():
    """Neither is built here: at least they agree, and with the action's definition."""
    header = (BEHAVIOURTREE / "await_action.hpp").read_text("utf-8")
    action = (ROOT / "m2r2_msgs" / "action" / "AwaitAction.action").read_text("utf-8")
    tree = ElementTree.parse(BEHAVIOURTREE / "place_usb.xml")
    ports = set(re.findall(r"(?:In|Out)putPort<[\w:]+>\(\"(\w+)\"", header))
    nodes = tree.findall(".//AwaitAction")
    assert nodes and all(set(node.attrib) <= ports for node in nodes)
    assert {node.get("until") for node in nodes} == {"start", "end"}
    for field in re.findall(r"goal\.(\w+)", header):
        assert re.search(rf"^[\w/]+ {field}$", action, re.M), field
    assert all(re.search(rf"^uint8 {name}=", action, re.M) for name in ("START", "END"))
