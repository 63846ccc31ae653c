# SPDX-License-Identifier: Apache-2.0
"""The files of config/training on data that is not the simulated board's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pages import blocks
from source_tree import ROOT

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.clips import Clip
from m2r2_ros.datasets.mstcn import Split, write_mapping, write_recording_features, write_split
from m2r2_ros.errors import M2R2Error
from m2r2_ros.shipped import shipped
from m2r2_ros.training.head_registry import find_head, head_names
from m2r2_ros.training.roboact.roboact_pretraining import split_clips
from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
from m2r2_ros.training.settings import PretrainSettings, load_settings

FOLDER = shipped("config") / "training"
FILES = sorted(FOLDER.rglob("*.yaml"))
HEADS = [path for path in FILES if path.stem.split("_")[0] in head_names()]
LABELS = ("pour milk", "stir", "rest a while")


def name_of(path: Path) -> str:
    return str(path.relative_to(FOLDER))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Features of four recordings that nobody knows."""
    folder = tmp_path_factory.mktemp("own") / "features"
    names = [f"kitchen {i}" for i in range(4)]
    for i, name in enumerate(names):
        random = np.random.default_rng(i)
        classes = np.repeat(random.permutation(len(LABELS)), 10)
        features = np.eye(len(LABELS), 6)[classes] + random.normal(0, 0.1, (30, 6))
        write_recording_features(folder, name, features, [LABELS[c] for c in classes])
    write_mapping(folder, LABELS)
    write_split(folder, 1, Split(tuple(names[:3]), tuple(names[3:])))
    return folder


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_says_in_its_head_what_it_is_for(path):
    first = path.read_text("utf-8").splitlines()[0]
    assert first.startswith("# ") and len(first) > 15


@pytest.mark.parametrize("path", HEADS, ids=name_of)
def test_a_heads_file_trains_on_data_of_ones_own(path, data, tmp_path):
    head = path.stem.split("_")[0]
    words = ["--data", data, "--split", 1, "--head", head, "--out", tmp_path / "run"]
    assert main(["train", *map(str, [*words, "--config", path, "--epochs", 1])]) == 0
    assert not load_settings(find_head(head).settings, path).validation_recordings


def test_pairs_of_the_board_are_refused_on_other_clips_with_the_remedy(tmp_path):
    """A study without the pairs that it holds out would be another study."""
    clips = [
        Clip(tmp_path / f"{i}.mp4", 0.0, 2.0, None, "Robot", "pour", thing, f"Robot pours {thing}.")
        for i, thing in enumerate(("milk", "tea", "milk", "tea"))
    ]
    path = FOLDER / "roboact_taskboard.yaml"
    with pytest.raises(M2R2Error, match=r"`held_out_pairs: \[\]` holds none out"):
        split_clips(clips, load_settings(RoboActSettings, path))
    own = tmp_path / "own.yaml"
    own.write_text(f"extends: {path}\ncameras: [front]\nheld_out_pairs: []\n")
    assert len(split_clips(clips, load_settings(RoboActSettings, own)).training) == 3


def test_a_file_of_ones_own_says_what_differs(tmp_path):
    """The one in the page on training."""
    page = ROOT / "docs" / "training.md"
    (own,) = (text for kind, text in blocks(page) if kind == "yaml" and "extends" in text)
    (tmp_path / "config").symlink_to(shipped("config"))
    (tmp_path / "own.yaml").write_text(own)
    settings = load_settings(PretrainSettings, tmp_path / "own.yaml")
    assert settings.encoder_layout.cameras == ("front", "wrist")
    assert settings.optimiser.epochs == 20 and settings.frame_class_weight == 1.0
