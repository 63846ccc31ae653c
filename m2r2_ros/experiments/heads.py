# SPDX-License-Identifier: Apache-2.0
"""Any method's predictions of labelled recordings: a head that is run, or files that are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from m2r2_ros.datasets.mstcn import FeatureFolder, read_prediction
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.predictions import Prediction
from m2r2_ros.evaluation.streamed_predictions import stream
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.models import HEAD_FILE

if TYPE_CHECKING:
    from m2r2_ros.training.offline_heads import OfflineHead

    Head = StreamingHead | OfflineHead

# Of `m2r2 train`; the folder of a causal head has it beside its head.onnx.
RUN_FILE = "settings.yaml"


def open_head(model: Path) -> Head:
    """The head in a folder: head.onnx, or the run of an offline head, which needs torch."""
    if (model / HEAD_FILE).exists() or not (model / RUN_FILE).exists():
        return StreamingHead(model / HEAD_FILE)
    from m2r2_ros.training.offline_heads import OfflineHead

    return OfflineHead.load(model)


def predict(
    head: Head, folder: FeatureFolder, names: Iterable[str], rate_hz: float
) -> Iterator[Prediction]:
    """What the head says of each recording, with a progress bar.

    Of a causal head that is what the robot would publish, frame by frame. Raises M2R2Error when
    the head was not made for these features.
    """
    for name in tqdm(names, unit="recording", disable=None):
        recording = folder.read(name)
        if recording.features.shape[1] != head.feature_dimension:
            raise M2R2Error(
                f"{head.path}: takes features of {head.feature_dimension} numbers, {name} in "
                f"{folder.path} has {recording.features.shape[1]}"
            )
        if isinstance(head, StreamingHead):
            found = stream(head, recording.features, rate_hz)
            labels, decided = found.published, found.decided
        else:
            found = head.predict(recording.features, name)
            labels, decided = found.labels, None
        yield Prediction(
            name, labels, recording.labels, decided, tuple(head.labels), found.probabilities
        )


def read_predictions(
    predicted: Path, folder: FeatureFolder, names: Iterable[str]
) -> Iterator[Prediction]:
    """What was predicted before: predictions/, probabilities/ if any, and mapping.txt."""
    classes = FeatureFolder(predicted).labels
    for name in names:
        labels, probabilities = read_prediction(predicted, name, classes)
        yield Prediction(
            name, labels, folder.ground_truth(name), None, tuple(classes), probabilities
        )


def check_classes(where: object, known: Sequence[str], wanted: Sequence[str], data: Path) -> None:
    """Raise M2R2Error when a method knows none of the classes that it is scored on."""
    if set(known).isdisjoint(wanted):
        raise M2R2Error(f"{where}: knows none of the labels in {data}/mapping.txt")
