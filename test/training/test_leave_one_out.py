# SPDX-License-Identifier: Apache-2.0
"""tools/leave_one_out.py: nothing of a fold sees its recording; what is done stays done."""

from __future__ import annotations

import json
from pathlib import Path

import leave_one_out
import numpy as np
import pytest

NAMES = ("a", "b", "c", "d")
F1 = dict(zip(NAMES, (100.0, 50.0, 80.0, 90.0), strict=True))
# Of groups.
GROUPS_F1 = {"anna": 1.0, "bert": 2.0, "carl": 3.0}


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """The commands that are run; they leave what the real ones would."""
    for name in NAMES:
        (tmp_path / "bags" / name).mkdir(parents=True)
        (tmp_path / "bags" / name / "metadata.yaml").touch()
    made = []

    def run(verb, words):
        made.append((verb, words))
        if verb == "export":
            Path(words[-1]).parent.mkdir(parents=True)
            Path(words[-1]).touch()
        if verb == "evaluate":
            file = Path(words[-1])
            file.write_text(
                json.dumps({"f1@50": (F1 | GROUPS_F1)[file.parent.name], "delay_s": None})
            )
        return 0

    monkeypatch.setattr(leave_one_out, "run_verb", run)
    return made


def run(tmp_path, *more):
    words = ["--data", "bags", "--layout", "l.yaml", "--config", "c.yaml", "--out", "folds"]
    paths = [str(tmp_path / word) if not word.startswith("--") else word for word in words]
    return leave_one_out.main([*paths, *more])


def test_no_fold_learns_from_what_it_is_scored_on(tmp_path, calls):
    assert run(tmp_path, "--heads", "causal", "asrf") == 0
    bags = {name: str(tmp_path / "bags" / name) for name in NAMES}
    trained = [words for verb, words in calls if verb == "pretrain"]
    assert [{n for n in NAMES if bags[n] in words} for words in trained] == [
        set(NAMES) - {name} for name in NAMES
    ]
    for name, (_, words) in zip(NAMES, [c for c in calls if c[0] == "extract"], strict=True):
        assert words.index(bags[name]) == words.index("--test") + 1
        assert words.count(bags[name]) == 1
    assert [verb for verb, _ in calls].count("train") == 2 * len(NAMES)
    scores = json.loads((tmp_path / "folds" / "scores.json").read_text())
    found = scores["causal"]["f1@50"]
    assert found["mean"] == pytest.approx(np.mean(list(F1.values())))
    assert 50 < found["low"] < found["mean"] < found["high"] < 100
    assert "delay_s" not in scores["causal"]


def test_a_second_run_does_what_is_left(tmp_path, calls):
    assert run(tmp_path) == 0
    (tmp_path / "folds" / "c" / "causal.json").unlink()
    calls.clear()
    assert run(tmp_path) == 0
    assert [verb for verb, _ in calls] == ["extract", "train", "evaluate"]
    calls.clear()
    assert run(tmp_path, "--heads", "causal", "asrf") == 0
    assert [verb for verb, _ in calls].count("evaluate") == len(NAMES)
    assert "pretrain" not in {verb for verb, _ in calls}


def test_a_command_that_fails_is_one_line(tmp_path, calls, monkeypatch, capsys):
    monkeypatch.setattr(leave_one_out, "run_verb", lambda verb, words: 2)
    assert run(tmp_path) == 2
    assert "m2r2 pretrain has ended with status 2" in capsys.readouterr().err
    (tmp_path / "bags" / "a" / "metadata.yaml").unlink()
    (tmp_path / "bags" / "b" / "metadata.yaml").unlink()
    assert run(tmp_path) == 2
    assert "2 groups: leaving one out needs three" in capsys.readouterr().err


def test_a_group_is_left_out_at_once(tmp_path, calls):
    of = {"a": "anna", "b": "bert", "c": "anna", "d": "carl"}
    rows = "".join(f"{name},{group}\n" for name, group in of.items())
    (tmp_path / "bags" / "groups.csv").write_text(f"recording,group\n{rows}")
    assert run(tmp_path) == 0
    bags = {str(tmp_path / "bags" / name): name for name in NAMES}
    tested = [
        [bags[word] for word in words[words.index("--test") : words.index("--encoder")][1:]]
        for verb, words in calls
        if verb == "extract"
    ]
    assert tested == [["a", "c"], ["b"], ["d"]]
    trained = [[bags[w] for w in words if w in bags] for verb, words in calls if verb == "pretrain"]
    assert trained == [["b", "d"], ["a", "c", "d"], ["a", "b", "c"]]
