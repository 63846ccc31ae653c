# SPDX-License-Identifier: Apache-2.0
"""Any method's predictions of labelled recordings: a head that is run, or files that are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import FeatureFolder, read_prediction
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.delay import beliefs_from_frames
from m2r2_ros.evaluation.frame_times import edges_from_stamps
from m2r2_ros.evaluation.outlook import told_outlook, true_actions
from m2r2_ros.evaluation.outlook_scores import score_outlook
from m2r2_ros.evaluation.predictions import Prediction
from m2r2_ros.evaluation.streamed_predictions import nominal_stamps, stream
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.models import HEAD_FILE
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.vocabulary import Vocabulary

if TYPE_CHECKING:
    from m2r2_ros.training.offline_heads import OfflineHead

Head: TypeAlias = "StreamingHead | OfflineHead"

# Of `m2r2 train`; the folder of a causal head has it beside its head.onnx.
RUN_FILE = "settings.yaml"


def open_head(model: Path) -> Head:
    """The head in a folder: head.onnx, or the run of an offline head, which needs torch."""
    if (model / HEAD_FILE).exists() or not (model / RUN_FILE).exists():
        return StreamingHead(model / HEAD_FILE)
    from m2r2_ros.training.offline_heads import OfflineHead

    return OfflineHead.load(model)


def stated_vocabulary(head: Head) -> Vocabulary | None:
    """What the head's file says of its labels, None where it says nothing."""
    return head.metadata.vocabulary if isinstance(head, StreamingHead) else head.vocabulary


def stated_rate(head: Head) -> FrameRate | None:
    """The frames that the head was trained on, None where it does not say."""
    if not isinstance(head, StreamingHead):
        return head.rate
    metadata = head.metadata
    if metadata.rate_hz is None:
        return None
    return FrameRate(metadata.rate_hz * metadata.sample_rate, metadata.sample_rate)


def predict(
    head: Head, folder: FeatureFolder, names: Iterable[str], rate: FrameRate, idle: Sequence[str]
) -> Iterator[Prediction]:
    """The head's prediction of each recording, with a progress bar; `idle` are the data's labels.

    Of a causal head that is what the robot would publish, frame by frame. What is said of a frame
    stands until the next one that the head takes. Raises M2R2Error when the head was not made for
    these features.
    """
    for name in Progress(names, unit="recording"):
        recording = folder.read(name)
        if recording.features.shape[1] != head.feature_dimension:
            raise M2R2Error(
                f"{head.path}: takes features of {head.feature_dimension} numbers, {name} in "
                f"{folder.path} has {recording.features.shape[1]}"
            )
        frames = len(recording.labels)
        stamps_ns = recording.stamps_ns
        if stamps_ns is None:
            stamps_ns = nominal_stamps(frames, rate.rate_hz)
        edges = edges_from_stamps(stamps_ns, rate.rate_hz)
        features = rate.sampled(recording.features)
        if isinstance(head, StreamingHead):
            found = stream(head, features, rate.sampled(stamps_ns))
            labels = found.published
            believed = beliefs_from_frames(found.held, rate.message_edges(edges))
            stamps_ns = rate.sampled(stamps_ns)
            outlook = told_outlook(found.events, found.opened, stamps_ns, float(edges[1]))
        else:
            found = head.predict(features, name)
            labels, believed, outlook = found.labels, None, None
        yield Prediction(
            name,
            rate.repeated(labels, frames),
            recording.labels,
            believed,
            tuple(head.labels),
            rate.repeated(found.probabilities, frames),
            edges,
            tuple(idle),
            rate.rate_hz,
            outlook,
        )


def outlook_scores(
    head: Head,
    predictions: Sequence[Prediction],
    folder: FeatureFolder,
    training: Iterable[str],
    vocabulary: Vocabulary,
) -> dict[str, Any]:
    """Figures of progress and outcome, {} of a head that tells neither.

    The median lengths that progress is compared with are those of the `training` recordings.
    """
    if not isinstance(head, StreamingHead) or not head.tells:
        return {}
    recordings, lengths = [], defaultdict(list)
    for one in predictions:
        outcomes = folder.outcomes(one.name, len(one.truth))
        recordings.append((one.outlook, true_actions(one.truth, outcomes, one.edges, vocabulary)))
    rate_hz = predictions[0].rate_hz
    for name in training:
        truth = folder.ground_truth(name)
        edges = edges_from_stamps(frame_stamps(folder, name, len(truth), rate_hz), rate_hz)
        outcomes = folder.outcomes(name, len(truth))
        for action in true_actions(truth, outcomes, edges, vocabulary):
            lengths[action.label].append(action.end_s - action.start_s)
    medians = {label: median(each) for label, each in lengths.items()}
    return score_outlook(recordings, vocabulary, medians)


def frame_stamps(folder: FeatureFolder, name: str, frames: int, rate_hz: float) -> np.ndarray:
    """The ends of a recording's frames, int64 (T,) [ns]: its own stamps, else evenly spaced.

    Raises M2R2Error when there are stamps of another number of frames.
    """
    stamps_ns = folder.stamps(name)
    if stamps_ns is None:
        return nominal_stamps(frames, rate_hz)
    if folder.crop:
        stamps_ns = stamps_ns[:frames]
    if len(stamps_ns) != frames:
        raise M2R2Error(f"{folder.path}: {name} has {frames} frames and {len(stamps_ns)} stamps")
    return stamps_ns


def read_predictions(
    predicted: Path,
    folder: FeatureFolder,
    names: Iterable[str],
    rate: FrameRate,
    vocabulary: Vocabulary,
) -> Iterator[Prediction]:
    """Earlier predictions: predictions/, probabilities/ if any, and mapping.txt.

    `vocabulary` is the data's. They are of all frames, or of those that `rate` says a head takes.
    """
    classes = FeatureFolder(predicted).labels
    coarse = {vocabulary.coarse(label) for label in (*classes, *vocabulary.labels)}
    for name in names:
        labels, probabilities = read_prediction(predicted, name, classes, coarse)
        truth = folder.ground_truth(name)
        if len(labels) == len(rate.sampled(truth)):
            whole = (rate.repeated(x, len(truth)) for x in (labels, probabilities) if x is not None)
            labels, probabilities = next(whole), next(whole, None)
        if folder.crop and len(labels) != len(truth):
            frames = min(len(labels), len(truth))
            folder.cropped[name] = max(len(labels), len(truth)) - frames
            labels, truth = labels[:frames], truth[:frames]
            probabilities = None if probabilities is None else probabilities[:frames]
        edges = edges_from_stamps(
            frame_stamps(folder, name, len(truth), rate.rate_hz), rate.rate_hz
        )
        told = labels, truth, None, tuple(classes), probabilities, edges
        yield Prediction(name, *told, vocabulary.idle, rate.rate_hz)


def check_classes(where: object, known: Sequence[str], wanted: Sequence[str], data: Path) -> None:
    """Raise M2R2Error when a method knows none of the classes that it is scored on."""
    if set(known).isdisjoint(wanted):
        raise M2R2Error(f"{where}: knows none of the labels in {data}/mapping.txt")
