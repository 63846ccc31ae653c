# SPDX-License-Identifier: Apache-2.0
"""No verb writes over what it reads, over another of its outputs, or over a recording."""

from pathlib import Path

import pytest

from m2r2_ros.cli.main import EXIT_BAD_INPUT, run_verb

SEGMENT = ["segment", "bag", "--models", "models"]
EVALUATE = ["evaluate", "--data", "features", "--split", "1", "--predictions", "mine"]
BOTH = "are one file: name two"
READ = "is read, and"
KEPT = "would take the place of this file"
CASES = [
    ([*SEGMENT, "--json", "bag/bag.mcap"], KEPT),
    ([*SEGMENT, "--json", "link"], READ),
    ([*SEGMENT, "--json", "models/head.onnx"], KEPT),
    ([*SEGMENT, "--json", "BAG.DB3"], KEPT),
    ([*SEGMENT, "--json", "robot.json", "--config", "robot.json"], READ),
    ([*SEGMENT, "--json", "s.png", "--plot", "s.png"], BOTH),
    ([*SEGMENT, "--json", "s.png", "--plot", "folder/../s.png"], BOTH),
    ([*SEGMENT, "--json", "s.json", "--plot", "s.mcap"], "a timeline is written as .png or .svg"),
    (["segment", "a.h5", "--models", "models", "--json", "a.h5"], READ),
    ([*SEGMENT, "--json", "s.json", "--bag", "bag/bag.mcap"], KEPT),
    ([*SEGMENT, "--json", "s.mcap", "--bag", "s.mcap"], BOTH),
    ([*SEGMENT, "--json", "s.json", "--bag", "results"], "written as one .mcap file: name it so"),
    ([*EVALUATE, "--json", "features/mapping.txt"], KEPT),
    ([*EVALUATE, "--json", "s.json", "--report", "s.json"], BOTH),
    (["inspect", "a.h5", "--out", "a.h5"], READ),
    (["inspect", "a.h5", "--out", "robot.json", "--config", "robot.json"], READ),
]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("bag/bag.mcap", "models/head.onnx", "features/mapping.txt", "folder/x"):
        Path(name).parent.mkdir(exist_ok=True)
    for name in ("bag/bag.mcap", "models/head.onnx", "features/mapping.txt", "a.h5", "robot.json"):
        Path(name).write_text("kept")
    Path("BAG.DB3").write_text("kept")
    Path("link").symlink_to("a.h5")
    return tmp_path


@pytest.mark.parametrize(("command", "reason"), CASES)
def test_what_is_read_or_kept_is_not_written_over(command, reason, folder, capsys):
    command = ["a.h5" if "link" in command and each == "bag" else each for each in command]
    assert run_verb(command[0], command[1:]) == EXIT_BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert len(kept) == 7
    assert all(path.read_text() == "kept" for path in kept)


def test_a_link_that_leads_to_nothing_is_called_one(tmp_path, capsys):
    (tmp_path / "loop").symlink_to("loop")
    assert run_verb("inspect", [str(tmp_path / "loop")]) == EXIT_BAD_INPUT
    assert "loop leads to nothing" in capsys.readouterr().err
