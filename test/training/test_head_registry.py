# SPDX-License-Identifier: Apache-2.0
"""A head is found by its file: what a new one takes, and what it costs to list them."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import Split, write_mapping, write_recording_features, write_split
from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks import heads as networks
from m2r2_ros.training import heads
from m2r2_ros.training.head_registry import HeadMethod, find_head, head_names

LABELS = ("rest", "pour milk", "stir")
DIMENSION = 4
NETWORK = """
from dataclasses import dataclass

from torch import nn

from m2r2_ros.networks.heads.dilated import Standardise


@dataclass(frozen=True)
class ToyConfig:
    width: int = 8


class Toy(nn.Module):
    def __init__(self, dimension, classes, config):
        super().__init__()
        self.standardise = Standardise(dimension)
        self.layers = nn.Sequential(
            nn.Linear(dimension, config.width), nn.ReLU(), nn.Linear(config.width, classes)
        )

    def forward(self, features):
        return self.layers(self.standardise(features))
"""
TRAINING = """
from dataclasses import dataclass, field

from torch.nn import functional

from m2r2_ros.networks.heads.toy import Toy, ToyConfig
from m2r2_ros.training.offline_method import OfflineMethod, OfflineSettings, tensors


@dataclass(frozen=True)
class ToySettings(OfflineSettings):
    model: ToyConfig = field(default_factory=ToyConfig)


def losses(network, training, classes, settings):
    def of(sequence):
        features, target = tensors(sequence)
        return {"loss": functional.cross_entropy(network(features), target)}

    return of


def predict(network, features):
    probabilities = network(features).softmax(-1).numpy()
    return probabilities.argmax(1), probabilities


HEAD = OfflineMethod(Toy, ToySettings, losses, predict)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head of two files, in folders that Python looks into beside the package's own."""
    for package, text in ((networks, NETWORK), (heads, TRAINING)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "toy.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        monkeypatch.delitem(sys.modules, f"{package.__name__}.toy", raising=False)
    importlib.invalidate_caches()
    yield
    for package in (networks, heads):
        sys.modules.pop(f"{package.__name__}.toy", None)
        vars(package).pop("toy", None)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder, names = tmp_path / "data", [f"take {i}" for i in range(4)]
    for seed, name in enumerate(names):
        random = np.random.default_rng(seed)
        classes = np.repeat(random.permutation(len(LABELS)), 20)
        features = np.eye(len(LABELS), DIMENSION)[classes] + random.normal(0, 0.1, (60, DIMENSION))
        write_recording_features(folder, name, features, [LABELS[c] for c in classes])
    write_mapping(folder, LABELS)
    write_split(folder, 1, Split(tuple(names[:3]), tuple(names[3:])))
    return folder


def m2r2(verb: str, data: Path, *more: object) -> int:
    return main([verb, "--data", str(data), "--split", "1", *map(str, more)])


def test_a_new_head_is_its_network_and_one_file(toy, data, tmp_path, capsys):
    assert "toy" in head_names()
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "toy" in capsys.readouterr().out
    run, config = tmp_path / "run", tmp_path / "toy.yaml"
    config.write_text("model: {width: 16}\noptimiser: {learning_rate: 0.05}\n")
    arguments = ("--head", "toy", "--out", run, "--config", config, "--epochs", 12, "--seed", 1)
    assert m2r2("train", data, *arguments) == 0
    assert m2r2("predict", data, "--model", run, "--out", tmp_path / "found") == 0
    assert m2r2("evaluate", data, "--model", run, "--json", tmp_path / "scores.json") == 0
    assert json.loads((tmp_path / "scores.json").read_text())["acc"] > 90
    labels = (tmp_path / "found" / "predictions" / "take 3.txt").read_text().splitlines()
    assert len(labels) == 60 and set(labels) <= set(LABELS)


def test_a_head_has_a_network_of_its_name():
    assert set(head_names()) >= {"asrf", "causal", "diffact", "mstcn"}
    for name in head_names():
        assert isinstance(find_head(name), HeadMethod)
        assert importlib.util.find_spec(f"m2r2_ros.networks.heads.{name}"), name


def test_a_typo_names_the_nearest_head():
    with pytest.raises(M2R2Error, match=r"no head 'mstnc' \(did you mean 'mstcn'\?\)"):
        find_head("mstnc")


@pytest.mark.parametrize("verb", ["train", "reproduce"])
def test_help_names_every_head_without_torch(verb):
    program = (
        "import sys\n"
        "from m2r2_ros.cli.main import main\n"
        "try:\n"
        f"    main(['{verb}', '--help'])\n"
        "except SystemExit:\n"
        "    print('torch' in sys.modules)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert shown.splitlines()[-1] == "False"
    assert ",".join(head_names()) in shown
