# SPDX-License-Identifier: Apache-2.0
"""What is in a models folder when all is learned: it appears at the end, the list of hashes last.

MODELS/encoder.onnx, head.onnx      of all recordings, for the nodes
MODELS/models.sha256                vouches for them
MODELS/folds/FOLD/                  models of a fold, and held_out.json: what they have not seen
MODELS/outcome.json                 `LearningOutcome`
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file, partial_folder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.digest_list import DIGESTS_FILE
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import CARD_FILE, ENCODER_FILE, HEAD_FILE, Models
from m2r2_ros.learning.outcome import HELD_OUT_FILE, OUTCOME_FILE, Fold

FOLDS_FOLDER = "folds"
REPORT_FILE = "report.html"
_GRAPHS = (ENCODER_FILE, HEAD_FILE)
_WRITTEN = (*_GRAPHS, DIGESTS_FILE, CARD_FILE, REPORT_FILE, "report.json")


def check_place(out: Path) -> None:
    """Raise M2R2Error where something stands that was not learned here and would be replaced."""
    folds = out / FOLDS_FOLDER
    foreign = [each for each in folds.glob("*") if not (each / HELD_OUT_FILE).is_file()]
    if not (out / OUTCOME_FILE).exists():
        foreign += [out / name for name in _WRITTEN if (out / name).exists()]
    if foreign:
        raise M2R2Error(
            f"{foreign[0]}: is there, and not of an earlier `m2r2 learn`: choose another --out"
        )


def publish_models(models: Path, out: Path) -> None:
    """Put both graphs and their hashes in the place of those that were there.

    Raises M2R2Error where no node could load them.
    """
    Models.load(models)
    lines = [f"{read_model(models / name).sha256}  {name}\n" for name in _GRAPHS]
    (out / DIGESTS_FILE).unlink(missing_ok=True)
    for name in _GRAPHS:
        with partial_file(out / name) as temporary:
            shutil.copyfile(models / name, temporary)
    with partial_file(out / DIGESTS_FILE) as temporary:
        temporary.write_text("".join(lines), "utf-8")


def publish_folds(folds: Sequence[tuple[Fold, Path]], out: Path) -> None:
    """Put a models folder for each fold in the place of those that were there."""
    with partial_folder(out / FOLDS_FOLDER) as folder:
        for fold, models in folds:
            place = folder / fold.name
            place.mkdir(parents=True)
            for name in _GRAPHS:
                shutil.copyfile(models / name, place / name)
            held_out = json.dumps(asdict(fold), indent=1) + "\n"
            (place / HELD_OUT_FILE).write_text(held_out, "utf-8")
