# SPDX-License-Identifier: Apache-2.0
"""What is learned, chosen and scored on which recordings, seen from the files that come out.

Each group of recordings has its own mean feature and its own flicker, so that moments, temperature
and tracker tell which group they were taken from.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import yaml

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    Split,
    write_mapping,
    write_recording_features,
    write_split,
)
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.labels import legacy_vocabulary
from m2r2_ros.training.evidence_tuning import choose_tracker
from m2r2_ros.training.learned_procedure import learn_procedure
from m2r2_ros.training.tracker_tuning import Answers

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
load_file = pytest.importorskip("safetensors.numpy").load_file

LABELS = ("No action", "Pick USB", "Pick BNC", "Insert USB")
GROUPS = {
    "train": tuple(f"train{i}" for i in range(6)),
    "validation": ("kept0", "kept1"),
    "test": ("test0", "test1"),
}
# Mean of the last feature, and how many frames of each segment look like another class.
SHIFTS = {"train": 0.0, "validation": 1.0, "test": -1.0}
FLICKERS = {"train": 0, "validation": 2, "test": 4}
SEGMENT, SEGMENTS = 20, 8
MOST_DELAY_S = 0.6
SETTINGS = {
    "model": {"channels": 16, "layers": 3, "refinements": 0, "members": 1, "dropout": 0.0},
    "optimiser": {"epochs": 15, "batch_size": 2, "learning_rate": 0.01},
    "least_steps": 1,
    "time_warp": 0.0,
    "validation_recordings": list(GROUPS["validation"]),
    "tracker_delay_s": MOST_DELAY_S,
}


def made_up(group: str, seed: int) -> tuple[np.ndarray, list[str]]:
    """Features (T, 5) and labels: a class each in four columns, the group's mean in the last."""
    random = np.random.default_rng(seed)
    classes = [int(random.integers(4))]
    while len(classes) < SEGMENTS:
        classes.append(int(random.choice([c for c in range(4) if c != classes[-1]])))
    truth = np.repeat(classes, SEGMENT)
    shown = truth.copy()
    for start in range(SEGMENT // 2, len(truth), SEGMENT):
        shown[start : start + FLICKERS[group]] = (truth[start] + 1) % 4
    features = np.eye(4, 5)[shown] + random.normal(0, 0.15, (len(truth), 5))
    features[:, 4] = random.normal(SHIFTS[group], 1.0, len(truth))
    return features.astype(np.float32), [LABELS[c] for c in truth]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for group, names in GROUPS.items():
        for index, name in enumerate(names):
            write_recording_features(folder, name, *made_up(group, 100 * len(group) + index))
    write_mapping(folder, LABELS)
    write_split(folder, 1, Split(GROUPS["train"] + GROUPS["validation"], GROUPS["test"]))
    return FeatureFolder(folder)


def train(data: FeatureFolder, head: str, settings: dict, out) -> None:
    config = out.parent / f"{head}.yaml"
    config.write_text(yaml.safe_dump(settings))
    places = ["--data", str(data.path), "--split", "1", "--out", str(out)]
    assert main(["train", "--head", head, *places, "--config", str(config)]) == 0


@pytest.fixture(scope="module")
def causal(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "causal"
    train(data, "causal", SETTINGS, out)
    return out / "head.onnx"


def features_of(data: FeatureFolder, group: str) -> np.ndarray:
    return np.concatenate([data.features(name) for name in GROUPS[group]]).astype(float)


def assert_moments_of_training(mean: np.ndarray, std: np.ndarray, data: FeatureFolder) -> None:
    features = {group: features_of(data, group) for group in GROUPS}
    close = [group for group in GROUPS if np.allclose(mean, features[group].mean(0), atol=1e-3)]
    assert close == ["train"]
    np.testing.assert_allclose(std, features["train"].std(0), atol=1e-3)


def test_a_causal_head_is_standardised_by_its_training_recordings(data, causal):
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(causal).graph.initializer}
    assert_moments_of_training(weights["head.mean"].ravel(), weights["head.std"].ravel(), data)


@pytest.mark.parametrize("head", ["mstcn", "asrf"])
def test_an_offline_head_is_standardised_by_its_training_recordings(head, data, tmp_path):
    settings = {
        "model": {"layers": 2, "channels": 8},
        "optimiser": {"epochs": 1},
        "validation_recordings": list(GROUPS["validation"]),
    }
    train(data, head, settings, tmp_path / head)
    state = load_file(tmp_path / head / "best.safetensors")
    assert_moments_of_training(state["standardise.mean"], state["standardise.std"], data)


def answers(data: FeatureFolder, causal, group: str) -> list[Answers]:
    head, found = StreamingHead(causal), []
    for name in GROUPS[group]:
        head.reset()
        said = head.run(data.features(name))
        found.append(Answers(name, *said, data.ground_truth(name)))
    return found


def likelihood(answers: list[Answers], power: float) -> float:
    """Mean log probability of the truth when the temperature is divided by `power`."""
    total, count = 0.0, 0
    for one in answers:
        logs = power * np.log(np.maximum(one.probabilities.astype(float), 1e-30))
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        classes = [LABELS.index(label) for label in one.truth]
        total += logs[np.arange(len(classes)), classes].sum()
        count += len(classes)
    return total / count


def test_the_temperature_is_the_best_for_the_validation_recordings(data, causal):
    """The likelihood has one maximum; only theirs lies where the head's probabilities are."""
    powers = (0.9, 1.0, 1.1)
    best = {}
    for group in GROUPS:
        said = answers(data, causal, group)
        best[group] = max(powers, key=lambda power, said=said: likelihood(said, power))
    assert best["validation"] == 1.0
    assert best["train"] != 1.0 and best["test"] != 1.0


def test_the_tracker_is_tuned_on_the_validation_recordings(data, causal):
    exported = StreamingHead(causal).metadata
    vocabulary, procedure = legacy_vocabulary(LABELS), learned_from(data, "train")
    tuned = {}
    for group in ("validation", "test"):
        said = answers(data, causal, group)
        found = choose_tracker(said, vocabulary, TrackerConfig(), procedure, MOST_DELAY_S)
        tuned[group] = found.config, found.procedure
    assert (exported.tracker, exported.procedure) == tuned["validation"]
    # On the training recordings, which do not flicker, the middle is the same: the next test tells.
    assert tuned["validation"] != tuned["test"]


def test_the_procedure_is_that_of_the_training_recordings(data, causal):
    exported = StreamingHead(causal).metadata.procedure
    if exported is not None:  # Not where waiting is better.
        assert exported == learned_from(data, "train")
    assert learned_from(data, "train") != learned_from(data, "validation")


def learned_from(data: FeatureFolder, group: str) -> Procedure:
    return learn_procedure(
        [data.read(name) for name in GROUPS[group]], legacy_vocabulary(LABELS), 10
    )


def test_the_tracker_sees_the_validation_recordings_alone(data, tmp_path, monkeypatch):
    """What it is tuned on by count, name and truth: one more recording may change no parameter."""
    from m2r2_ros.training import streaming_method

    seen = []
    choose = streaming_method.choose_tracker
    monkeypatch.setattr(
        streaming_method,
        "choose_tracker",
        lambda said, *rest: seen.append(said) or choose(said, *rest),
    )
    # The export takes longer than the rest, for a graph that nobody looks at.
    monkeypatch.setattr(streaming_method, "export_head", lambda *arguments: 0.0)
    settings = SETTINGS | {"optimiser": SETTINGS["optimiser"] | {"epochs": 1}}
    train(data, "causal", settings, tmp_path / "causal")
    ((*said,),) = seen
    assert [one.name for one in said] == list(GROUPS["validation"])
    assert [one.truth for one in said] == [data.ground_truth(n) for n in GROUPS["validation"]]


def test_groups_differ_as_the_tests_need(data):
    means = [features_of(data, group).mean(0)[4] for group in ("test", "train", "validation")]
    assert all(b - a > 0.8 for a, b in pairwise(means))
