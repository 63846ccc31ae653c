# SPDX-License-Identifier: Apache-2.0
"""Train a segmentation head on extracted features.

The data set is a folder in the MS-TCN layout (features, groundTruth, mapping.txt, splits), as
`m2r2 extract` writes it. Some training recordings are kept for validation: they choose the best
epoch (by F1@50) of the offline heads, temperature and tracker of the causal one, whose last epoch
is taken; the test recordings are not looked at. The run
folder that it writes can be given to `m2r2 evaluate`: `causal`, the robot's head, as head.onnx;
the others see a whole recording at once, and `m2r2 predict` applies them, too.
What the labels mean (which are idle, what is action and what object) says vocabulary.yaml in the
folder, else --idle; the trained head carries it.
Recordings of one person, day or rig are a group, by a line "recording,group" in groups.csv in the
folder: validation takes whole groups, and a group that is trained on is not tested on. --folds
trains a head for each group, without it, scores it there, and writes DIR/scores.json.
A command that was interrupted goes on where it was. The names and defaults of a head's settings,
the papers' where it is a paper's, are in m2r2_ros/training/heads/HEAD.py.

Examples:
    m2r2 train --data features --split 1 --head causal --out out/causal
    m2r2 train --data features --split 1 --head asrf --out out/asrf --labels coarse --seed 2
    m2r2 train --data features --split 1 --head diffact --out out/diffact \\
        --config config/training/diffact_taskboard.yaml
    m2r2 train --data 50salads --split 3 --head causal --out out/salads --epochs 100 --seed 1 \\
        --idle action_start action_end --rate 30 --sample-rate 2
    m2r2 train --data breakfast --folds --head causal --out out/breakfast --rate 15 --crop
    m2r2 train --data features --split 1 --head causal --out out/deployed --validation 0
    m2r2 train --data features --split 1 --head causal --out out/causal \\
        --config config/training/causal_taskboard.yaml
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2r2_ros.cli._frames import add_frame_arguments, training_rate
from m2r2_ros.cli._interruption import interruptible
from m2r2_ros.cli._vocabulary import add_idle_argument, say
from m2r2_ros.datasets.feature_vocabulary import folder_vocabulary
from m2r2_ros.datasets.groups import check_split
from m2r2_ros.datasets.mstcn import FeatureFolder, Split
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.tables import scores_text
from m2r2_ros.training.head_registry import find_head, head_names
from m2r2_ros.training.settings_file import check_seed, read_values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--split", type=int, help="number of the split")
    what.add_argument("--folds", action="store_true", help="leave each group out once")
    parser.add_argument("--head", choices=head_names(), required=True, help="what to train")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder")
    parser.add_argument(
        "--labels",
        choices=("fine", "coarse"),
        default="fine",
        help="coarse: learn actions without objects (default: %(default)s)",
    )
    add_idle_argument(parser)
    parser.add_argument(
        "--validation",
        nargs="+",
        default=[],
        metavar="GROUP",
        help="groups, or recordings where there are no groups, that choose the best epoch, or "
        "temperature and tracker; 0: none, train on all (default: a part, as the settings say)",
    )
    add_frame_arguments(parser)
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings that differ")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the settings'")
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the settings'")


def main(args: argparse.Namespace) -> int:
    """Train, and export a head that streams; once, or for every group."""
    if args.folds and args.validation not in ([], ["0"]):
        raise M2R2Error("--folds leaves every group out: --validation may be 0, or not given")
    folder = FeatureFolder(args.data, args.crop)
    split = _every_recording(folder) if args.folds else folder.split(args.split)
    for problem in split.problems:
        say(problem)
    groups = check_split(folder.path, split.train, split.test)
    vocabulary, assumed = folder_vocabulary(folder, args.idle)
    rate, said = training_rate(args, folder)
    _check_arguments(args)
    # Late: torch takes seconds to import, and bad arguments should not wait for it.
    from m2r2_ros.experiments.head_training import HeadTraining
    from m2r2_ros.training.settings import load_settings

    settings = _with_arguments(load_settings(find_head(args.head).settings, args.config), args)
    for line in (assumed, said):
        say(line)
    told = vocabulary, args.labels, rate, settings, args.validation, say
    training = HeadTraining(args.head, folder, groups, *told)
    with interruptible(args.out):
        if args.folds:
            _report(training.folds(args.out), args.out)
        else:
            print(training.train(split.train, args.out))
    return 0


def _every_recording(folder: FeatureFolder) -> Split:
    labelled, others = folder.recordings
    if others:
        say(f"{folder.path}: {len(others)} recordings have no groundTruth: '{others[0]}' ...")
    return Split(labelled, ())


def _report(found: dict[str, Any], out: Path) -> None:
    print(scores_text(found["pooled"], f"{len(found['folds'])} folds, all recordings at once"))
    for score, over in found["spread"].items():
        between = f"95 % interval {over['low']:.2f} to {over['high']:.2f}"
        print(f"{score}: mean of the folds {over['mean']:.2f} +- {over['std']:.2f}, {between}")
    print(f"{out / 'scores.json'} has each fold's")


def _check_arguments(args: argparse.Namespace) -> None:
    """Raises M2R2Error for a file or number that no head's settings can have."""
    if args.config:
        read_values(args.config)
    if args.seed is not None:
        check_seed(args.seed, "--seed")
    if args.epochs is not None and args.epochs < 1:
        raise M2R2Error(f"--epochs must be at least 1, not {args.epochs}")


def _with_arguments(settings: Any, args: argparse.Namespace) -> Any:
    if args.seed is not None:
        settings = replace(settings, seed=args.seed)
    if args.epochs is None:
        return settings
    return replace(settings, optimiser=replace(settings.optimiser, epochs=args.epochs))
