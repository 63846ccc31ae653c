# SPDX-License-Identifier: Apache-2.0
"""Train a segmentation head on extracted features.

The data set is a folder in the MS-TCN layout (features, groundTruth, mapping.txt, splits), as
`m2r2 extract` writes it. Some training recordings are kept for validation: they choose the best
epoch (by F1@50) and calibrate the causal head; the test recordings are not looked at. The run
folder that it writes can be given to `m2r2 evaluate`: `causal`, the robot's head, as head.onnx;
the others see a whole recording at once, and `m2r2 predict` applies them, too.
What the labels mean (which are idle, what is action and what object) says vocabulary.yaml in the
folder, else --idle; the trained head carries it.
A command that was interrupted goes on where it was. The names and defaults of a head's settings,
the papers' where it is a paper's, are in m2r2_ros/training/heads/HEAD.py.

Examples:
    m2r2 train --data features --split 1 --head causal --out out/causal
    m2r2 train --data features --split 1 --head asrf --out out/asrf --labels coarse --seed 2
    m2r2 train --data features --split 1 --head diffact --out out/diffact \\
        --config config/training/diffact_taskboard.yaml
    m2r2 train --data 50salads --split 3 --head causal --out out/salads --epochs 100 --seed 1 \\
        --idle action_start action_end
    m2r2 train --data features --split 1 --head causal --out out/causal \\
        --config config/training/causal_taskboard.yaml
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2r2_ros.cli._crop import add_crop_argument, say_cropped
from m2r2_ros.cli._frame_rate import add_rate_arguments, training_rate
from m2r2_ros.cli._vocabulary import add_idle_argument, say
from m2r2_ros.datasets.feature_vocabulary import folder_vocabulary
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.training.head_registry import find_head, head_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    parser.add_argument("--split", type=int, required=True, help="number of the split")
    parser.add_argument("--head", choices=head_names(), required=True, help="what to train")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder")
    parser.add_argument(
        "--labels",
        choices=("fine", "coarse"),
        default="fine",
        help="coarse: learn actions without objects (default: %(default)s)",
    )
    add_idle_argument(parser)
    add_rate_arguments(parser)
    add_crop_argument(parser)
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings that differ")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the settings'")
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the settings'")


def main(args: argparse.Namespace) -> int:
    """Train, and export a head that streams."""
    folder = FeatureFolder(args.data, args.crop)
    split = folder.split(args.split)
    for problem in split.problems:
        print(problem, file=sys.stderr)
    names, (vocabulary, assumed) = split.train, folder_vocabulary(folder, args.idle)

    from m2r2_ros.training.sequences import read_sequences, unlearned
    from m2r2_ros.training.settings import load_settings

    head, (rate, said) = find_head(args.head), training_rate(args, folder)
    settings = _with_arguments(load_settings(head.settings, args.config), args)
    sequences, learned = read_sequences(folder, names, vocabulary, args.labels, rate)
    say(assumed)
    say(said)
    say_cropped(folder)
    say(unlearned(sequences, learned))
    print(head.train(args.head, sequences, learned, args.out, settings, args.data, rate))
    return 0


def _with_arguments(settings: Any, args: argparse.Namespace) -> Any:
    if args.seed is not None:
        from m2r2_ros.training.settings import check_seed

        check_seed(args.seed, "--seed")
        settings = replace(settings, seed=args.seed)
    if args.epochs is None:
        return settings
    if args.epochs < 1:
        raise M2R2Error(f"--epochs must be at least 1, not {args.epochs}")
    return replace(settings, optimiser=replace(settings.optimiser, epochs=args.epochs))
