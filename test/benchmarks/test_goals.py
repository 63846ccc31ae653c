# SPDX-License-Identifier: Apache-2.0
"""Benchmarks are held to goals, and a goal cannot change without a word."""

from __future__ import annotations

import importlib
import json
import re

import pytest
from source_tree import ROOT

from m2r2_ros.benchmarks import goals
from m2r2_ros.cli import bench
from m2r2_ros.cli.main import main

STATED = re.compile(r"``([\w.]+)`` at most ([\d.]+\d|\d+)")


def test_the_changelog_states_every_goal_as_it_is():
    """A goal that changes needs a new line; the last one counts, and none is left out."""
    text = (ROOT / "CHANGELOG.rst").read_text("utf-8").replace("\n", " ")
    stated = {name: float(value) for name, value in STATED.findall(text)}
    assert stated == goals.read_goals()


def test_goals_are_of_benchmarks_that_exist():
    assert {name.partition(".")[0] for name in goals.read_goals()} <= set(bench.NAMES)


@pytest.mark.parametrize(
    ("result", "is_missed"),
    [
        ({"ratio": 0.2}, False),
        ({"ratio": 0.25}, False),
        ({"ratio": 0.26}, True),
        ({"ratio": 0.3, "ratio_spread": [0.24, 0.5]}, False),
        ({"ratio": 0.3, "ratio_spread": [0.26, 0.5]}, True),
        ({"ratio": None}, None),
        ({"not_measured": "needs MuJoCo"}, None),
    ],
)
def test_a_goal_is_missed_when_no_turn_reaches_it(result, is_missed):
    verdicts = goals.judge({"ingest": result}, {"ingest.ratio": 0.25, "gpu.ratio": 1.0})
    assert [verdict.is_missed for verdict in verdicts] == ([] if is_missed is None else [is_missed])


def test_figures_lie_deep_and_zero_is_a_goal():
    results = {"latency": {"10_hz": {"lost": 1}}}
    (verdict,) = goals.judge(results, {"latency.10_hz.lost": 0, "latency.30_hz.lost": 0})
    assert verdict.is_missed
    assert str(verdict) == "goal MISSED: latency.10_hz.lost 1, at most 0"


@pytest.mark.parametrize(("ratio", "status"), [(0.19, 0), (0.3, 1)])
def test_the_command_ends_with_the_verdict(ratio, status, tmp_path, monkeypatch, capsys):
    module = importlib.import_module("m2r2_ros.benchmarks.bags")
    result = {"ratio": 6 * ratio, "ratio_spread": [5.9 * ratio, 7 * ratio]}
    monkeypatch.setattr(module, "run", lambda options: result)
    path = tmp_path / "bench.json"
    assert main(["bench", "bags", "--json", str(path)]) == status
    assert json.loads(path.read_text())["bags"] == result
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("goal MISSED: bags.ratio" if status else "goal reached: bags.ratio")
