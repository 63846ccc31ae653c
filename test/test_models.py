# SPDX-License-Identifier: Apache-2.0
"""The models that ship are whole, belong together and say what they are."""

import hashlib
from pathlib import Path

import pytest

from m2r2_ros.inference.models import Models
from m2r2_ros.labels import FINE_LABELS

MODELS = Path(__file__).parents[1] / "models"
PAIRS = sorted(path.parent for path in MODELS.glob("*/encoder.onnx"))


def test_every_file_has_the_hash_that_is_written_down():
    lines = (MODELS / "models.sha256").read_text("utf-8").splitlines()
    written = dict(line.split()[::-1] for line in lines)
    shipped = list(MODELS.glob("*/*.onnx"))
    assert sorted(written) == sorted(str(path.relative_to(MODELS)) for path in shipped)
    for name, digest in written.items():
        assert hashlib.sha256((MODELS / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("folder", PAIRS, ids=lambda path: path.name)
def test_a_pair_loads_and_has_a_card(folder):
    models = Models.load(folder)
    assert models.head.labels == FINE_LABELS
    assert "recordings" in models.encoder.metadata.training_data
    card = (folder / "model_card.md").read_text("utf-8")
    for section in ("## How it was made", "## What it scores", "## Limits", "Not for"):
        assert section in card
    assert (folder / "encoder.onnx").stat().st_size < 15e6
