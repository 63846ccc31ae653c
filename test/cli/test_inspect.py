# SPDX-License-Identifier: Apache-2.0
"""`m2r2 inspect`: a picture of a recording, a card of a folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from recordings import recording

from m2r2_ros.cli import main as command
from m2r2_ros.cli.convert import convert
from m2r2_ros.datasets.reassemble_format import COMPONENTS
from m2r2_ros.datasets.reassemble_writer import write_recording


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings, one in the older form."""
    place = tmp_path_factory.mktemp("inspect")
    for name in ("first", "older"):
        write_recording(place / f"{name}.h5", replace(recording(), name=name))
    with h5py.File(place / "older.h5", "a") as file:
        split_into_components(file)
    return place


def split_into_components(file: h5py.File) -> None:
    for name, components in COMPONENTS.items():
        values, times = file[f"robot_state/{name}"][()], file[f"timestamps/{name}"][()]
        del file[f"robot_state/{name}"], file[f"timestamps/{name}"]
        for column, component in enumerate(components):
            file[f"robot_state/{component}"] = values[:, column]
            file[f"timestamps/{component}"] = times


def inspect(*arguments: object) -> int:
    return command.main(["inspect", *map(str, arguments)])


@pytest.mark.parametrize("name", ["first", "older"])
def test_recording_becomes_a_picture_and_json(folder, name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(folder / f"{name}.h5") == 0
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    seen = json.loads((tmp_path / f"{name}.json").read_text())
    assert seen["recording"] == name
    assert all(stream["present"] for stream in seen["streams"].values())
    assert seen["streams"]["wrench"]["samples"] == 400
    assert [action["label"] for action in seen["actions"]] == ["No action", "Insert USB"]
    assert len(list(tmp_path.iterdir())) == 2


def test_bag_becomes_a_picture(folder, tmp_path, capsys) -> None:
    bag = convert(folder / "first.h5", tmp_path)
    assert inspect(bag, "--out", tmp_path / "bag.png") == 0
    assert "8 streams" in capsys.readouterr().out
    assert json.loads((tmp_path / "bag.json").read_text())["streams"]["hand"]["samples"] == 60


def test_folder_becomes_a_card(folder, tmp_path) -> None:
    assert inspect(folder, "--out", tmp_path / "card") == 0
    statistics = json.loads((tmp_path / "card" / "dataset_card.json").read_text())
    assert (statistics["recordings"], statistics["actions"], statistics["successful"]) == (2, 2, 0)
    first, older = statistics["each_recording"]
    assert first["label_sha256"] == older["label_sha256"]
    card = (tmp_path / "card" / "dataset_card.md").read_text()
    assert f"| first | 0.03 | 1 | 0 | `{first['label_sha256']}` |" in card


def test_the_splits_of_a_simulated_data_set_have_one_card(folder, tmp_path) -> None:
    for split, name in (("train", "first"), ("shifted", "older")):
        (tmp_path / split).mkdir()
        (tmp_path / split / f"{name}.h5").write_bytes((folder / f"{name}.h5").read_bytes())
        stamp = {"version": 7, "shifted": split == "shifted"}
        (tmp_path / split / "recipe.json").write_text(json.dumps(stamp))
    (tmp_path / "notes").mkdir()
    assert inspect(tmp_path) == 0
    statistics = json.loads((tmp_path / "dataset_card.json").read_text())
    assert statistics["recordings"] == 2
    assert statistics["recipe"] == {"splits": "shifted, train", "version": 7}


def test_a_broken_file_is_reported_and_the_rest_goes_on(folder, tmp_path, capsys) -> None:
    content = (folder / "first.h5").read_bytes()
    (tmp_path / "good.h5").write_bytes(content)
    (tmp_path / "bad.h5").write_bytes(content[: len(content) // 2])
    (tmp_path / "recipe.json").write_text('{"version": 7}')
    assert inspect(tmp_path) == 2
    complaint = capsys.readouterr().err
    assert "bad.h5: truncated or damaged" in complaint
    assert complaint.endswith("m2r2 inspect: 1 of 2 recordings could not be read\n")
    statistics = json.loads((tmp_path / "dataset_card.json").read_text())
    assert (statistics["recordings"], [*statistics["unreadable"]]) == (1, ["bad.h5"])
    assert "version 7" in (tmp_path / "dataset_card.md").read_text()


def text_file(path: Path, text: str = "hello") -> Path:
    path.write_text(text)
    return path


BAD_INPUT = {
    "nothing there": (lambda f, t: [t / "none.h5"], "none.h5: no such file"),
    "text": (lambda f, t: [text_file(t / "notes.txt")], "notes.txt: neither"),
    "text in h5": (lambda f, t: [text_file(t / "x.h5")], "x.h5: not an HDF5 file"),
    "empty folder": (lambda f, t: [t], "holds no recording"),
    "picture's ending": (lambda f, t: [f / "first.h5", "--out", t / "a.svg"], "written as .png"),
    "topics of another robot": (
        lambda f, t: [
            f / "first.h5",
            "--config",
            text_file(
                t / "c.yaml",
                "/**: {ros__parameters: {topics: {top: /top}, reference_camera: top}}",
            ),
        ],
        "none of the configured topics",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_line(arguments, message, folder, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(*arguments(folder, tmp_path)) == 2
    complaint = capsys.readouterr().err
    assert message in complaint
    assert complaint.startswith("m2r2 inspect: ") and complaint.count("\n") == 1
    assert not list(tmp_path.glob("*.png")) and not list(tmp_path.glob("*.json"))


def test_a_sensor_that_no_layout_names_is_said_to_be_taken_for_a_camera(tmp_path, capsys) -> None:
    """What is said names the way out; where a layout names the sensor, there is nothing to say."""
    np.savez(tmp_path / "a.npz", t=np.arange(40) / 20, q=np.zeros((40, 2)), w=np.zeros((40, 6)))
    (tmp_path / "layout.yaml").write_text("signals: {skin: {width: 2}, wrench: }")
    (tmp_path / "map.yaml").write_text("stamps: t\nsignals: {skin: q, wrench: w}")
    given = ["--mapping", tmp_path / "map.yaml", "--layout", tmp_path / "layout.yaml"]
    convert_arrays = ["convert", tmp_path / "a.npz", "--out", tmp_path / "bags", *given]
    assert command.main([*map(str, convert_arrays)]) == 0
    guess = "'skin' needs sensor_msgs/msg/Image"
    why = "without --layout, what is not called like a preset is taken for a camera"
    robot, alone = tmp_path / "bags" / "robot.yaml", tmp_path / "alone.yaml"
    alone.write_text("/**: {ros__parameters: {topics: {skin: /skin}}}")
    for config, layout, status in ((robot, None, 0), (alone, None, 2), (robot, given[3], 0)):
        capsys.readouterr()
        more = ["--layout", layout] if layout else []
        picture = tmp_path / "picture.png"
        arguments = ["--config", config, "--out", picture, *more]
        assert inspect(tmp_path / "bags" / "a", *arguments) == status
        (lines,) = [capsys.readouterr().err.splitlines()]
        assert any(guess in line and why in line for line in lines) == (layout is None)


def test_where_no_stream_holds_a_sample_the_reason_is_said(tmp_path, capsys) -> None:
    np.savez(tmp_path / "a.npz", t=np.arange(40) / 20, q=np.zeros((40, 2)))
    (tmp_path / "map.yaml").write_text("stamps: t\nsignals: {skin: q}")
    for width in (2, 3):
        layout = f"signals: {{skin: {{width: {width}}}}}"
        (tmp_path / f"layout{width}.yaml").write_text(layout)
    given = ["--mapping", tmp_path / "map.yaml", "--layout", tmp_path / "layout2.yaml"]
    convert_arrays = ["convert", tmp_path / "a.npz", "--out", tmp_path / "bags", *given]
    assert command.main([*map(str, convert_arrays)]) == 0
    other = ["--layout", tmp_path / "layout3.yaml", "--config", tmp_path / "bags" / "robot.yaml"]
    assert inspect(tmp_path / "bags" / "a", *other) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "holds a sample" in error and "2 joints, the layout has 3 columns" in error
