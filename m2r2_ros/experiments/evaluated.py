# SPDX-License-Identifier: Apache-2.0
"""The subject of an evaluation in words, so that its numbers can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.frame_times import segments_from_frames
from m2r2_ros.evaluation.predictions import Prediction
from m2r2_ros.experiments.head_predictions import RUN_FILE
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import HEAD_FILE


def describe_method(folder: Path) -> str:
    """Its place, the digest of its graph, and kind and seed of its training, as far as it has any.

    Raises M2R2Error when a file of these cannot be read.
    """
    said = [str(folder)]
    if (folder / HEAD_FILE).is_file():
        said.append(f"sha256 {read_model(folder / HEAD_FILE).sha256[:12]}")
    if (folder / RUN_FILE).is_file():
        said.append(_describe_run(folder / RUN_FILE))
    return ", ".join(said)


def _describe_run(file: Path) -> str:
    try:
        run = yaml.safe_load(file.read_text("utf-8"))
        return f"trained as {run['kind']} with seed {run['settings']['seed']}"
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise M2R2Error(f"{file}: is no settings file of `m2r2 train`") from error


def describe_test(predictions: Sequence[Prediction], trained: int) -> str:
    """The amount of scored data, and the number of recordings the method could learn from."""
    totals = _totals(predictions)
    return (
        f"{len(predictions)} recordings, {totals['minutes']:.1f} minutes in {totals['frames']} "
        f"frames, {predictions[0].rate_hz:.4g} a second, {totals['actions']} actions, "
        f"{totals['classes']} classes; {trained} recordings to train on"
    )


def _totals(predictions: Sequence[Prediction]) -> dict[str, Any]:
    segments = [s for p in predictions for s in segments_from_frames(p.truth, p.edges)]
    idle = {label for p in predictions for label in p.idle}
    return {
        "minutes": sum(float(p.edges[-1]) for p in predictions) / 60,
        "frames": sum(len(p.truth) for p in predictions),
        "actions": sum(segment.label not in idle for segment in segments),
        "classes": len({segment.label for segment in segments}),
    }
