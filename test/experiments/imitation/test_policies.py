# SPDX-License-Identifier: Apache-2.0
"""Policies without a simulator: what they see, what they learn from, what is counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from m2r2_ros.errors import M2R2Error  # noqa: E402
from m2r2_ros.experiments.imitation.behaviour_cloning import clone, load_policy, steps_of  # noqa: E402
from m2r2_ros.experiments.imitation.demonstrations import Demonstration, read_demonstration  # noqa: E402
from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings, NetworkSettings  # noqa: E402
from m2r2_ros.experiments.imitation.policy_comparison import run_name, summary, wilson_interval  # noqa: E402
from m2r2_ros.experiments.imitation.rollouts import Outcome, read_outcome  # noqa: E402
from m2r2_ros.experiments.imitation.success_table import comparison_markdown  # noqa: E402
from m2r2_ros.experiments.imitation.vision import Blind, NewestFrame, VideoFeature  # noqa: E402
from m2r2_ros.experiments.paper_figures import published_success  # noqa: E402
from m2r2_ros.networks.roboact.config import RoboActConfig  # noqa: E402
from m2r2_ros.networks.roboact.model import VideoBranches  # noqa: E402
from m2r2_ros.networks.roboact.streaming_window import StreamingWindow  # noqa: E402
from m2r2_ros.training.settings import OptimiserSettings, settings_from_dict  # noqa: E402

CAMERAS, DIMENSION, STRIDE = 2, 6, 3
SENTENCES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


@pytest.fixture
def branches() -> VideoBranches:
    torch.manual_seed(0)
    return VideoBranches(RoboActConfig(frames=4, width=8, layers=1, heads=2), DIMENSION).eval()


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, CAMERAS, DIMENSION)).astype(np.float16)


def test_a_policy_sees_what_the_encoder_on_the_robot_would_give(branches):
    rows = frames(15)
    streaming = StreamingWindow(branches, [STRIDE])
    past, there = torch.zeros(CAMERAS, streaming.history, DIMENSION), torch.zeros(CAMERAS, 10)
    expected, present = [], torch.ones(CAMERAS, dtype=torch.bool)
    with torch.no_grad():
        for row in rows:
            embedding = torch.from_numpy(row.astype(np.float32))
            feature, past, there = streaming(embedding, present, past, there)
            expected.append(feature[0])
    found = VideoFeature(branches, STRIDE)(rows, range(len(rows)))
    torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize("kind", ["trained", "frozen"])
def test_nothing_is_seen_before_it_happens(branches, kind):
    vision = VideoFeature(branches, STRIDE) if kind == "trained" else NewestFrame()
    rows, changed = frames(12), frames(12)
    changed[8:] += 1
    before, after = vision(rows, range(12)), vision(changed, range(12))
    torch.testing.assert_close(before[:8], after[:8])
    assert (before[8] - after[8]).abs().max() > 0.1
    torch.testing.assert_close(vision(rows[:6], [5]), before[5:6])


def test_without_a_camera_nothing_is_seen():
    assert Blind()(np.zeros((4, 0, 0)), [1, 3]).shape == (2, 0)


def reach(seed: int, count: int = 12, instruction: int = 0) -> Demonstration:
    """The hand comes from anywhere ever nearer to one of two places; there the fingers close."""
    start = np.random.default_rng(seed).uniform(-0.1, 0.1, 3)
    place = np.array([0.5, 0.05 if instruction else -0.05, 0.2])
    path = place + 0.6 ** np.arange(count)[:, None] * start
    closed = (np.arange(count) > 7).astype(float)
    felt = np.column_stack([path, np.tile([1.0, 0.0, 0.04, 0, 0, 0, 0], (count, 1)), closed])
    set_points = np.column_stack([path, np.zeros(count), closed])
    rows = np.zeros((count, CAMERAS, DIMENSION), np.float16)
    return Demonstration(rows, felt.astype(np.float32), set_points, instruction)


def test_steps_say_where_to_go_from_here():
    felt = np.zeros((3, 11), np.float32)
    felt[:, 0] = [1.0, 2.0, 4.0]
    felt[:, 3:5] = [np.cos(3.0), np.sin(3.0)]
    set_points = np.array([[9, 0, 0, 0, 0], [2.5, 0, 0, 3.5, 0], [5, 0, 0, -3.0, 1]], float)
    demonstration = Demonstration(np.zeros((3, 0, 0), np.float16), felt, set_points, 1)
    steps = steps_of(demonstration, Blind(), horizon=2)
    assert steps.moves[:, :, 0].tolist() == [[1.5, 4.0], [3.0, 3.0], [1.0, 1.0]]
    # The short way round: from 3 to -3 rad it is 0.28 rad on.
    assert steps.moves[0, :, 3].tolist() == pytest.approx([0.5, 2 * np.pi - 6.0], abs=1e-5)
    assert steps.closed.tolist() == [[0, 1], [1, 1], [1, 1]]
    assert steps.instruction.tolist() == [1, 1, 1]


def small(**changes) -> ImitationSettings:
    return ImitationSettings(
        network=NetworkSettings(width=64, narrow=8, dropout=0.0, horizon=3, followed=2),
        optimiser=OptimiserSettings(epochs=2, batch_size=64, learning_rate=5e-3),
        steps=400,
        noise=0.01,
        **changes,
    )


def test_a_policy_does_what_it_was_shown_and_told(tmp_path):
    demonstrations = [reach(seed, instruction=seed % 2) for seed in range(48)]
    clone(tmp_path / "run", {"kind": "test"}, demonstrations, Blind(), SENTENCES, small())
    policy = load_policy(tmp_path / "run", small())
    for instruction in (0, 1):
        new = reach(100 + instruction, instruction=instruction)
        plan = policy.plan(torch.zeros(1, 0), instruction, new.proprioception[2])
        assert plan.shape == (3, 5)
        assert plan[:, :4] == pytest.approx(new.set_points[3:6, :4], abs=0.012)
        assert plan[:, 4].tolist() == [0, 0, 0]
        assert policy.plan(torch.zeros(1, 0), instruction, new.proprioception[11])[0, 4] == 1
    # A stopped run goes on, and a run of other settings is left alone.
    written = (tmp_path / "run" / "metrics.jsonl").read_text()
    clone(tmp_path / "run", {"kind": "test"}, demonstrations, Blind(), SENTENCES, small())
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == written
    with pytest.raises(M2R2Error, match="other settings"):
        clone(tmp_path / "run", {"kind": "other"}, demonstrations, Blind(), SENTENCES, small())


def test_settings_that_cannot_be_are_refused():
    for values in (
        {"network": {"horizon": 2, "followed": 3}},
        {"grasp": {"parts": []}},
        {"insert": {"limit_s": -1.0}},
        {"grasp": {"spread": 0.1}},
    ):
        with pytest.raises(M2R2Error):
            settings_from_dict(ImitationSettings, values, "my.yaml")


def write_demonstration(path, **changes):
    about = np.array(json.dumps({"success": True, "told": 0}))
    arrays = {name: np.zeros((2, 1)) for name in ("rows", "proprioception", "set_points")}
    np.savez(path, **(arrays | {"about": about} | changes))


def test_a_failed_demonstration_is_not_learnt_from(tmp_path):
    path = tmp_path / "0.npz"
    write_demonstration(path)
    assert read_demonstration(path).instruction == 0
    write_demonstration(path, about=np.array(json.dumps({"success": False, "told": 0})))
    assert read_demonstration(path) is None


@pytest.mark.parametrize("damage", ["cut", "junk", "pickled", "no part"])
def test_a_damaged_demonstration_is_named(tmp_path, damage):
    path = tmp_path / "0.npz"
    about = {"pickled": np.array([{}], object), "no part": np.array("{}")}
    write_demonstration(path, **({"about": about[damage]} if damage in about else {}))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "junk":
        path.write_bytes(b"junk")
    with pytest.raises(M2R2Error, match=r"0\.npz"):
        read_demonstration(path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"index": 0}'])
def test_a_damaged_outcome_is_named(tmp_path, text):
    path = tmp_path / "0000.json"
    path.write_text(text)
    with pytest.raises(M2R2Error, match=r"0000\.json"):
        read_outcome(path)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"), [(5, 10, 23.66, 76.34), (0, 50, 0.0, 7.13)]
)
def test_the_interval_is_wilsons(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=0.01)


def test_runs_are_called_by_their_folder():
    assert run_name(Path("out/roboact")) == "roboact"
    assert run_name(Path("out/runs/ablation1/seed2")) == "ablation1-seed2"


def test_episodes_are_summed_up():
    played = [
        Outcome(0, "a", True, 2.0, 0.001),
        Outcome(1, "b", False, 7.0, 0.03),
        Outcome(2, "a", True, 4.0, 0.002),
        Outcome(3, "b", True, 3.0, 0.004),
    ]
    found = summary(played)
    assert (found["success"], found["seconds"], found["nearest_m"]) == (75.0, 3.0, 0.003)
    assert found["by_part"] == {"a": 100.0, "b": 50.0}
    assert summary(played[1:2])["seconds"] is None


def test_the_paper_has_the_model_and_its_two_ablations():
    full = published_success(RoboActConfig())
    without_time = published_success(RoboActConfig(motion="ends"))
    without_branches = published_success(RoboActConfig(disentangle=False))
    assert (without_time - full, without_branches - full) == (-10.5, -6.5)
    assert published_success(RoboActConfig(motion="mean", disentangle=False)) is None


def test_the_table_stands_next_to_the_papers():
    def row(success):
        return {"success": success, "interval": (1.0, 99.0), "nearest_m": 0.0042}

    rows = {"roboact": row(60.0), "ablation1": row(50.0), "no camera": row(10.0)}
    task = {"demonstrations": {"shown": 8, "successful": 7}, "policies": rows}
    overall = {"roboact": (60.0, 76.5), "ablation1": (50.0, 66.0), "no camera": (10.0, None)}
    total = {name: {"success": one, "paper": two} for name, (one, two) in overall.items()}
    text = comparison_markdown({"episodes": 50, "tasks": {"grasp": task}, "overall": total})
    assert "7 of 8 demonstrations" in text
    assert "| roboact | 60 (1 to 99) | 4.2 mm | 60.0 | +0.0 | *76.5* | +0.0 |" in text
    assert "| ablation1 | 50 (1 to 99) | 4.2 mm | 50.0 | -10.0 | *66.0* | -10.5 |" in text
    assert "| no camera | 10 (1 to 99) | 4.2 mm | 10.0 | -50.0 | - | - |" in text
