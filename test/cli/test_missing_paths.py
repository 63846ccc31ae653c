# SPDX-License-Identifier: Apache-2.0
"""A path that is not there is one line, which names what was probably meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from m2r2_ros.cli.main import main
from m2r2_ros.errors import nearest_path

# Command -> the name that its wrong path lies nearest to.
COMMANDS = {
    "pretrain --encoder m2r2 --data recordngs --out x": "recordings",
    "pretrain --encoder m2r2 --data recordings --config setings.yaml --out x": "settings.yaml",
    "pretrain --encoder m2r2 --data recordings --layout setings.yaml --out x": "settings.yaml",
    "pretrain --encoder m2r2 --data recordings --robot setings.yaml --out x": "settings.yaml",
    "pretrain --encoder roboact --data recordngs --out x": "recordings",
    "pretrain --encoder roboact --data clip.jsonl --out x": "clips.jsonl",
    "export out/m2r3 --out x.onnx": "m2r2",
    "extract recordngs --encoder models/encoder.onnx --out x": "recordings",
    "extract recordings --encoder modls/encoder.onnx --out x": "models",
    "train --data out/featurs --split 1 --head causal --out x": "features",
    "predict --data out/featurs --split 1 --model out/m2r2 --out x": "features",
    "evaluate --data out/featurs --split 1 --model out/m2r2 --json x.json": "features",
    "segment recordings/a.h5 --models modls --json x.json": "models",
    "convert recordngs/a.h5 --out x": "recordings",
    "inspect recordings/b.h5": "a.h5",
    "annotate recordngs --out x": "recordings",
    "reproduce table1 --data recordngs --out x": "recordings",
}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder as a researcher has one, by its names alone."""
    for folder in ("recordings", "models", "out/m2r2", "out/features"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("recordings/a.h5", "recordings/other.h5", "settings.yaml", "clips.jsonl"):
        (tmp_path / file).touch()
    for file in ("encoder.onnx", "head.onnx"):
        (tmp_path / "models" / file).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("command", "meant"), COMMANDS.items())
def test_a_slip_in_a_path_is_answered_with_the_nearest_one(command, meant, place, capsys):
    if command.startswith(("pretrain", "train", "export", "predict")):
        pytest.importorskip("torch")
    there = sorted(place.rglob("*"))
    verb, *words = shlex.split(command)
    assert main([verb, *words]) == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert f"(did you mean '{meant}'?)" in line and not said.out
    assert sorted(place.rglob("*")) == there


def test_the_first_part_that_is_missing_is_compared(place):
    assert nearest_path(Path("ut/features/splits")) == " (did you mean 'out'?)"
    assert nearest_path(Path("out/features")) == nearest_path(Path("out/quite_another")) == ""
    assert nearest_path(place / "ot" / "x") == " (did you mean 'out'?)"


WRONG_THINGS = {
    "segment recordings/a.h5 --models models/encoder.onnx --json x.json": "give the models folder",
    "extract recordings --encoder models --out x": "give models/encoder.onnx",
    "export out/asrf --out x": "`m2r2 predict` applies it",
    "export out/causal --out x": "run `m2r2 train --head causal` again",
}


@pytest.mark.parametrize(("command", "remedy"), WRONG_THINGS.items())
def test_a_thing_in_the_place_of_another_is_answered_with_what_to_give(
    command, remedy, place, capsys
):
    if command.startswith("export"):
        pytest.importorskip("torch")
    for head in ("asrf", "causal"):
        (place / "out" / head).mkdir()
        (place / "out" / head / "settings.yaml").write_text(f"kind: {head}\n")
    assert main(shlex.split(command)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert remedy in line
