# SPDX-License-Identifier: Apache-2.0
"""Segment the test recordings of a data set with an offline head.

The head is a run folder of `m2r2 train`, of any head but a causal one. Writes, in the folder --out:
predictions/<recording>.txt (a label a frame, T lines, as groundTruth has them),
probabilities/<recording>.npy (float32, C x T, as features are), and mapping.txt (id and label of
the C classes), and vocabulary.yaml if the head states what its labels mean. Recordings that are
there already are left as they are: a command that was interrupted goes on where it was. Of a head
that takes every Nth frame, what it says of a frame stands until the next one.

Examples:
    m2r2 predict --data features --split 1 --model out/asrf --out out/asrf/test
    m2r2 predict --data 50salads --split 3 --model out/diffact --out predicted
"""

from __future__ import annotations

import argparse
from pathlib import Path

from m2r2_ros.cli._frames import add_sample_rate_argument, prediction_rate
from m2r2_ros.datasets.mstcn import FeatureFolder, write_mapping, write_prediction
from m2r2_ros.datasets.vocabulary_file import write_vocabulary
from m2r2_ros.parallel.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    parser.add_argument(
        "--split", type=int, required=True, help="its test recordings are segmented"
    )
    parser.add_argument("--model", type=Path, required=True, help="run folder of an offline head")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="for the predictions"
    )
    add_sample_rate_argument(parser)


def main(args: argparse.Namespace) -> int:
    """Predict what is not there yet."""
    from m2r2_ros.training.offline_heads import OfflineHead

    folder = FeatureFolder(args.data)
    names = folder.split(args.split).test
    head = OfflineHead.load(args.model)
    write_mapping(args.out, head.labels)
    if head.vocabulary is not None:
        write_vocabulary(args.out, head.vocabulary)
    rate = prediction_rate(args, head)
    for name in Progress(names, unit="recording"):
        if not (args.out / "predictions" / f"{name}.txt").exists():
            features = folder.features(name)
            found = head.predict(rate.sampled(features), name)
            whole = (rate.repeated(x, len(features)) for x in (found.labels, found.probabilities))
            write_prediction(args.out, name, *whole)
    print(f"{len(names)} predictions in {args.out}")
    return 0
