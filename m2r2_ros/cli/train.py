# SPDX-License-Identifier: Apache-2.0
"""Train a segmentation head on extracted features.

The data set is a folder in the MS-TCN layout (features, groundTruth, mapping.txt, splits), as
`m2r2 extract` writes it. Some training recordings are kept for validation: they choose the best
epoch (by F1@50) and calibrate the causal head; the test recordings are not looked at. The run
folder that it writes can be given to `m2r2 evaluate`: `causal`, the robot's head, as head.onnx;
`mstcn`, `asrf` and `diffact` see a whole recording at once, and `m2r2 predict` applies them, too.
A command that was interrupted goes on where it was. The settings' names and defaults, the papers'
for these three, are in m2r2_ros/training/settings.py and offline_settings.py.

Examples:
    m2r2 train --data features --split 1 --head causal --out out/causal
    m2r2 train --data features --split 1 --head asrf --out out/asrf --labels coarse --seed 2
    m2r2 train --data features --split 1 --head mstcn --out out/mstcn \\
        --config config/training/mstcn_taskboard.yaml
    m2r2 train --data 50salads --split 3 --head causal --out out/salads --epochs 100 --seed 1
    m2r2 train --data features --split 1 --head causal --out out/causal \\
        --config config/training/causal_taskboard.yaml
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2r2_ros.datasets.mstcn import FeatureFolder, LabelledFeatures
from m2r2_ros.errors import M2R2Error
from m2r2_ros.offline.extraction_record import RECORD_FILE

if TYPE_CHECKING:
    from m2r2_ros.training.settings import HeadSettings


HEADS = ("causal", "mstcn", "asrf", "diffact")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    parser.add_argument("--split", type=int, required=True, help="number of the split")
    parser.add_argument("--head", choices=HEADS, required=True, help="what to train")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder")
    parser.add_argument(
        "--labels",
        choices=("fine", "coarse"),
        default="fine",
        help="coarse: learn activities without objects (default: %(default)s)",
    )
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings that differ")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the settings'")
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the settings'")


def main(args: argparse.Namespace) -> int:
    """Train, and export a causal head."""
    folder = FeatureFolder(args.data)
    names = folder.split(args.split).train

    from m2r2_ros.training.offline_heads import KINDS, read_sequences, train_offline_head
    from m2r2_ros.training.settings import HeadSettings, load_settings

    kind = HeadSettings if args.head == "causal" else KINDS[args.head].settings
    settings = _with_arguments(load_settings(kind, args.config), args)
    sequences, classes = read_sequences(folder, names, args.labels)
    if args.head == "causal":
        return _train_causal(args, sequences, classes, settings)
    weights = train_offline_head(args.head, sequences, classes, args.out, settings=settings)
    print(f"{weights}: the best epoch")
    return 0


def _with_arguments(settings: Any, args: argparse.Namespace) -> Any:
    if args.seed is not None:
        settings = replace(settings, seed=args.seed)
    if args.epochs is None:
        return settings
    if args.epochs < 1:
        raise M2R2Error(f"--epochs must be at least 1, not {args.epochs}")
    return replace(settings, optimiser=replace(settings.optimiser, epochs=args.epochs))


def _train_causal(
    args: argparse.Namespace,
    sequences: list[LabelledFeatures],
    classes: list[str],
    settings: HeadSettings,
) -> int:
    from m2r2_ros.training.onnx_export import export_head
    from m2r2_ros.training.run import describe_data
    from m2r2_ros.training.train_head import train_head

    encoder_sha256 = _encoder_sha256(args.data)
    head, tracker = train_head(sequences, classes, args.out, settings)
    graph = args.out / "head.onnx"
    difference = export_head(
        head,
        graph,
        classes,
        encoder_sha256,
        tracker.config,
        settings.training_data or describe_data([sequence.name for sequence in sequences]),
    )
    chosen = asdict(tracker.config).items()
    print(
        f"tracker: {', '.join(f'{name} {value:g}' for name, value in chosen)}; on the validation "
        f"recordings F1@50 {tracker.f1:.1f}, mean delay over all actions (unrecognised: to their "
        f"end) {tracker.delay_s:.2f} s of the activity, {tracker.label_delay_s:.2f} s of the label"
    )
    print(f"{graph}: differs from torch by at most {difference:.1e}")
    return 0


def _encoder_sha256(data: Path) -> str:
    """The encoder that `m2r2 extract` used; "" for features from elsewhere."""
    record = data / RECORD_FILE
    if not record.exists():
        return ""
    try:
        return str(json.loads(record.read_text("utf-8"))["made_with"]["encoder_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise M2R2Error(f"{record}: cannot be read") from error
