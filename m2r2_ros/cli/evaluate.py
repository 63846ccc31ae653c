# SPDX-License-Identifier: Apache-2.0
"""Score a method on the test recordings of a data set; write a report that opens in a browser.

The data set is a folder in the MS-TCN layout (features, groundTruth, mapping.txt, splits), as
`m2r2 extract` writes it. Of a causal head, what is scored is what the robot would publish: head
and segment tracker, frame by frame; of a head that sees whole recordings, its labels; of any
other method, the files of a folder: predictions/<recording>.txt with a label a line, mapping.txt,
and probabilities/<recording>.npy if it has any, as `m2r2 predict` writes them. Frames have the
stamps that `m2r2 extract` kept, else they come evenly.

All in percent but the delays: seconds from a true action's start to the first message within it
that says its label and is held for 0.5 s. They are over the recognised actions and mean nothing
without `recognised` and `false_starts` (per true action). "held" is what a planner had at each
frame, without hindsight; the others are of the segments as published, whose starts are back-dated.
--reading scores other labels: "held", or "raw", the head's most probable class of each frame, as
tables of heads without a segment tracker have it. Of a head that tells outcomes or progress their
figures, shares, come after the others.

Which labels are idle, and what is action and object, says vocabulary.yaml in the folder, else
--idle, else the head; "coarse" (actions without objects) is there where labels have objects.

The report is one HTML file that needs no network: all scores, fine and coarse, per recording
(worst first) and per class, timelines, confusion, calibration. REPORT.json holds its figures.

Examples:
    m2r2 evaluate --data features --split 1 --model out/causal --json scores.json
    m2r2 evaluate --data features --split 1 --model out/causal --json scores.json --labels coarse
    m2r2 evaluate --data features --split 1 --model out/asrf --json s.json --report report.html
    m2r2 evaluate --data 50salads --split 3 --model out/salads --json raw.json --reading raw
    m2r2 evaluate --data gtea --split 1 --predictions mine --json s.json --background background
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from m2r2_ros import __version__
from m2r2_ros.cli._frames import add_frame_arguments, evaluation_rate
from m2r2_ros.cli._models import given_models
from m2r2_ros.cli._vocabulary import add_idle_argument, say
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.feature_vocabulary import FolderVocabulary, folder_vocabulary
from m2r2_ros.datasets.groups import check_split
from m2r2_ros.datasets.mstcn import FeatureFolder, Split
from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.evaluation.predictions import READINGS, Prediction, score_predictions
from m2r2_ros.evaluation.streamed_predictions import short_confirmation
from m2r2_ros.evaluation.tables import outlook_text, scores_text
from m2r2_ros.experiments.evaluated import describe_method, describe_test
from m2r2_ros.experiments.head_predictions import (
    Head,
    check_classes,
    open_head,
    outlook_scores,
    predict,
    read_predictions,
    stated_vocabulary,
)
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.models import HEAD_FILE
from m2r2_ros.offline.extraction_record import encoder_sha256
from m2r2_ros.vocabulary import UNLABELLED, Vocabulary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    parser.add_argument("--split", type=int, required=True, help="its test recordings are scored")
    method = parser.add_mutually_exclusive_group(required=True)
    method.add_argument(
        "--model",
        type=Path,
        help=f"folder with {HEAD_FILE} (or org/name@revision), or run folder of an offline head",
    )
    method.add_argument("--predictions", type=Path, metavar="DIR", help="what was predicted before")
    parser.add_argument("--json", type=Path, required=True, help="file for the scores")
    parser.add_argument("--report", type=Path, metavar="HTML", help="file for the report")
    parser.add_argument(
        "--labels",
        choices=("fine", "coarse"),
        default="fine",
        help="coarse: actions without objects (default: %(default)s)",
    )
    add_idle_argument(parser)
    parser.add_argument(
        "--background",
        nargs="+",
        default=[],
        metavar="LABEL",
        help="labels that make no segments for edit and F1 (default: none)",
    )
    parser.add_argument(
        "--reading",
        choices=READINGS,
        default=READINGS[0],
        help="the labels to score: published segments, what a planner held at each frame, or each "
        "frame's most probable class without the segment tracker (default: %(default)s)",
    )
    add_frame_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Score all test recordings and write the result."""
    if args.report:
        _check_report(args.report, args.json)
    folder = FeatureFolder(args.data, args.crop)
    head = None if args.predictions else open_head(given_models(args.model))
    vocabulary, assumed = _vocabulary(args, folder, head)
    classes, rename = vocabulary.at(args.labels).labels, vocabulary.levels[args.labels]
    for label in args.background:
        if label not in classes:
            near = nearest_name(label, classes)
            raise M2R2Error(f"--background: '{label}' is no label of {args.data}{near}")
    if isinstance(head, StreamingHead):
        _check_encoder(head, folder)
    whole = [one.read_as(args.reading) for one in _predictions(args, folder, head, vocabulary)]
    fine = [part for prediction in whole for part in prediction.labelled_parts()]
    if left_out := sum(prediction.truth.count(UNLABELLED) for prediction in whole):
        print(f"{left_out} frames are unlabelled and not scored", file=sys.stderr)
    known = dict.fromkeys(label for prediction in fine for label in prediction.classes)
    predictions = [prediction.renamed(rename) for prediction in fine]
    check_classes(args.model or args.predictions, list(map(rename, known)), classes, folder.path)
    say(assumed)
    say(folder.cropped_report)
    scores = score_predictions(predictions, args.background)
    training = folder.split(args.split).train
    outlook = outlook_scores(head, whole, folder, training, vocabulary)
    with partial_file(args.json) as temporary:
        temporary.write_text(json.dumps({**scores, **outlook}, indent=1) + "\n", encoding="utf-8")
    if args.report:
        _write_report(args, fine, folder, vocabulary, outlook)
    print(scores_text(scores, f"{args.labels}, {args.reading}, {len(whole)} recordings"))
    if outlook:
        print(outlook_text(outlook))
    return 0


def _vocabulary(
    args: argparse.Namespace, folder: FeatureFolder, head: Head | None
) -> FolderVocabulary:
    """The folder's; the head's in a folder that says nothing of its labels.

    Raises M2R2Error where the two disagree.
    """
    found = vocabulary, assumed = folder_vocabulary(folder, args.idle)
    stated = None if head is None else stated_vocabulary(head)
    if stated is None:
        return found
    if assumed and not args.idle:
        said = f"{folder.path} has no {VOCABULARY_FILE}: its labels are read as {head.path} says"
        return FolderVocabulary(stated.on(folder.labels), said)
    if what := vocabulary.difference(stated):
        given = "--idle" if args.idle else folder.path / VOCABULARY_FILE
        raise M2R2Error(f"{given} and {head.path} disagree on {what}")
    return found


def _check_encoder(head: StreamingHead, folder: FeatureFolder) -> None:
    """Features of another encoder may be as many and mean something else. Raises M2R2Error."""
    trained, found = head.metadata.encoder_sha256, encoder_sha256(folder.path)
    if trained and found and trained != found:
        head.metadata.check_encoder(head.path, found, f"that of {folder.path}")


def _predictions(
    args: argparse.Namespace, folder: FeatureFolder, head: Head | None, vocabulary: Vocabulary
) -> list[Prediction]:
    split, (rate, said) = folder.split(args.split), evaluation_rate(args, folder, head)
    names = split.test
    if head is None:
        given = args.predictions
        found = list(read_predictions(given, folder, names, rate, vocabulary))
    for problem in filter(None, [*split.problems, _shared_group(folder, split), said]):
        say(problem)
    if head is None:
        return found
    if isinstance(head, StreamingHead) and head.metadata.procedure is None:
        say(short_confirmation(head.metadata.tracker, rate.head_hz))
    if isinstance(head, StreamingHead) and head.metadata.look_ahead:
        late = head.metadata.look_ahead
        print(
            f"{head.path}: looks ahead by {late} frames, {late / rate.head_hz:.2f} s of its delay"
        )
    return list(predict(head, folder, names, rate, vocabulary.idle))


def _shared_group(folder: FeatureFolder, split: Split) -> str:
    """What is wrong with the groups of a split, "" for nothing: scores are still scores."""
    try:
        check_split(folder.path, split.train, split.test)
    except M2R2Error as error:
        return str(error)
    return ""


def _check_report(report: Path, scores: Path) -> None:
    """Three files are written: none may be another."""
    if not report.name:
        raise M2R2Error(f"--report {report}: is no name of a file")
    figures = report.with_suffix(".json")
    if figures == report:
        raise M2R2Error(f"--report {report}: is HTML; its figures are what {figures} is for")
    if os.path.realpath(scores) in map(os.path.realpath, (report, figures)):
        raise M2R2Error(f"--json {scores}: the report writes that file, give it another name")


def _write_report(
    args: argparse.Namespace,
    predictions: list[Prediction],
    folder: FeatureFolder,
    vocabulary: Vocabulary,
    outlook: dict[str, Any],
) -> None:
    from m2r2_ros.evaluation.report import write_report

    method = args.model or args.predictions
    title = f"{method} on {args.data}, split {args.split}"
    training = folder.split(args.split).train
    trained = Counter(label for name in training for label in folder.ground_truth(name))
    about = {
        "written by": f"m2r2_ros {__version__}",
        "method": describe_method(method),
        "scored on": describe_test(predictions, len(training)),
        "labels read": args.reading,
    }
    commonest = trained.most_common(1)[0][0]
    chosen = vocabulary, args.labels
    parts = predictions, *chosen, about, commonest, args.background, outlook
    write_report(args.report, title, *parts)
