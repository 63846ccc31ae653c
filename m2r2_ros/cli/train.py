# SPDX-License-Identifier: Apache-2.0
"""Train a segmentation head on extracted features.

The data set is a folder in the MS-TCN layout (features, groundTruth, mapping.txt, splits), as
`m2r2 extract` writes it. Some training recordings are kept for validation: they choose the best
epoch and calibrate the probabilities; the test recordings are not looked at. Writes a run folder
that holds head.onnx, ready for `m2r2 evaluate`. A command that was interrupted goes on where it
was. The settings' names and defaults are in m2r2_ros/training/settings.py.

Examples:
    m2r2 train --data features --split 1 --head causal --out out/causal
    m2r2 train --data 50salads --split 3 --head causal --out out/salads --epochs 100 --seed 1
    m2r2 train --data features --split 1 --head causal --out out/causal \\
        --config config/training/causal_taskboard.yaml
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from m2r2_ros.cli._extraction import RECORD_FILE
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    parser.add_argument("--split", type=int, required=True, help="number of the split")
    parser.add_argument("--head", choices=("causal",), required=True, help="what to train")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder")
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings that differ")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the settings'")
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the settings'")


def main(args: argparse.Namespace) -> int:
    folder = FeatureFolder(args.data)
    sequences = [folder.read(name) for name in folder.split(args.split).train]
    dimensions = {sequence.features.shape[1] for sequence in sequences}
    if len(dimensions) > 1:
        raise M2R2Error(f"{args.data}: features of different dimensions: {sorted(dimensions)}")

    from m2r2_ros.training.export import export_head
    from m2r2_ros.training.run import describe_data
    from m2r2_ros.training.settings import HeadSettings, load_settings
    from m2r2_ros.training.train_head import train_head

    settings = load_settings(HeadSettings, args.config)
    if args.seed is not None:
        settings = replace(settings, seed=args.seed)
    if args.epochs is not None:
        if args.epochs < 1:
            raise M2R2Error(f"--epochs must be at least 1, not {args.epochs}")
        settings = replace(settings, optimiser=replace(settings.optimiser, epochs=args.epochs))
    encoder_sha256 = _encoder_sha256(args.data)
    head = train_head(sequences, folder.labels, args.out, settings)
    graph = args.out / "head.onnx"
    difference = export_head(
        head,
        graph,
        folder.labels,
        encoder_sha256,
        settings.tracker,
        settings.training_data or describe_data([sequence.name for sequence in sequences]),
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
