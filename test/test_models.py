# SPDX-License-Identifier: Apache-2.0
"""The models that ship are whole, belong together and say what they are."""

import hashlib
from pathlib import Path

import pytest

from m2r2_ros.inference.models import Models
from m2r2_ros.labels import FINE_LABELS
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.shipped import shipped

MODELS = Path(__file__).parents[1] / "models"
FOLDERS = sorted(path.parent for path in MODELS.glob("*/encoder.onnx"))


def test_every_file_has_the_hash_that_is_written_down():
    lines = (MODELS / "models.sha256").read_text("utf-8").splitlines()
    written = dict(line.split()[::-1] for line in lines)
    shipped = list(MODELS.glob("*/*.onnx"))
    assert sorted(written) == sorted(str(path.relative_to(MODELS)) for path in shipped)
    for name, digest in written.items():
        assert hashlib.sha256((MODELS / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_models_load_and_have_a_card(folder):
    named = () if (folder / "head.onnx").exists() else FINE_LABELS[1:]
    models = Models.load(folder, actions=named)
    assert list(models.head.labels) == list(named or FINE_LABELS)
    assert "recordings" in models.encoder.metadata.training_data
    card = (folder / "model_card.md").read_text("utf-8")
    for section in ("## How it was made", "## What it scores", "## Limits", "Not for"):
        assert section in card
    assert all(path.stat().st_size < 15e6 for path in folder.iterdir())


def test_the_actions_that_ship_are_known_to_the_models_that_ship():
    actions = Deployment.load(shipped("config/named_actions.yaml")).actions
    assert set(actions) < set(FINE_LABELS)
    assert Models.load(MODELS / "roboact_compact", actions=actions).head.labels == actions
