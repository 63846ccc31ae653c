# SPDX-License-Identifier: Apache-2.0
"""Score a trained head on the test recordings of a data set.

The data set is a folder in the MS-TCN layout (features, groundTruth, mapping.txt, splits), as
`m2r2 extract` writes it. What is scored is what the robot would publish: head and segment tracker,
frame by frame. All in percent but delay_s: seconds from an action's true start until it is
published, on average over those that are recognised while they last.

Examples:
    m2r2 evaluate --data features --split 1 --model out/causal --json scores.json
    m2r2 evaluate --data features --split 1 --model out/causal --json scores.json --labels coarse
    m2r2 evaluate --data 50salads --split 3 --model out/salads --json scores.json --rate 30
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.segments import FRAME_RATE_HZ
from m2r2_ros.evaluation.streaming import score_stream
from m2r2_ros.evaluation.tables import format_table
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.models import HEAD_FILE
from m2r2_ros.labels import coarse_label

# From the labels of the data set and the head to those that are scored.
LABEL_LEVELS = {"fine": str, "coarse": coarse_label}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    parser.add_argument("--split", type=int, required=True, help="its test recordings are scored")
    parser.add_argument("--model", type=Path, required=True, help=f"folder with {HEAD_FILE}")
    parser.add_argument("--json", type=Path, required=True, help="file for the scores")
    parser.add_argument(
        "--labels",
        choices=tuple(LABEL_LEVELS),
        default="fine",
        help="coarse: activities without objects (default: %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=FRAME_RATE_HZ,
        metavar="HZ",
        help="frames a second of the features (default: %(default)g)",
    )


def main(args: argparse.Namespace) -> int:
    """Score all test recordings and write the result."""
    if not 0 < args.rate < 1e6:
        raise M2R2Error(f"--rate must be in (0, 1e6), got {args.rate}")
    head = StreamingHead(args.model / HEAD_FILE)
    folder = FeatureFolder(args.data)
    names = folder.split(args.split).test
    recordings = read_recordings(folder, names, head)
    scores = score_stream(head, recordings, args.rate, LABEL_LEVELS[args.labels])
    with partial_file(args.json) as temporary:
        temporary.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    delay_s = scores.pop("delay_s")
    print(format_table({f"{args.labels}, {len(names)} recordings": scores}))
    print("nothing was recognised" if delay_s is None else f"mean decision delay {delay_s:.2f} s")
    return 0


def read_recordings(
    folder: FeatureFolder, names: tuple[str, ...], head: StreamingHead
) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Yield features (T, D) and labels of each recording, with a progress bar.

    Raises M2R2Error when the head was not made for these features or labels.
    """
    if set(folder.labels).isdisjoint(head.labels):
        raise M2R2Error(f"{head.path}: knows none of the labels in {folder.path}/mapping.txt")
    for name in tqdm(names, unit="recording", disable=None):
        recording = folder.read(name)
        if recording.features.shape[1] != head.feature_dimension:
            raise M2R2Error(
                f"{head.path}: takes features of {head.feature_dimension} numbers, {name} in "
                f"{folder.path} has {recording.features.shape[1]}"
            )
        yield recording.features, recording.labels
