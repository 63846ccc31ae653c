# SPDX-License-Identifier: Apache-2.0
"""Pretrain a feature extractor on labelled recordings.

Writes a run folder: settings.yaml, statistics.json, checkpoint and best weights (safetensors),
metrics.jsonl and TensorBoard events. A command that was interrupted goes on where it was, to the
same losses. The settings' names and defaults are in m2r2_ros/training/settings.py.

Examples:
    m2r2 pretrain --encoder m2r2 --data data/taskboard --out out/m2r2
    m2r2 pretrain --encoder m2r2 --data data/taskboard --out out/m2r2 \\
        --config config/training/m2r2_taskboard.yaml
    tensorboard --logdir out/m2r2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from m2r2_ros.cli._extraction import find_recordings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encoder", choices=("m2r2",), required=True, help="what to pretrain")
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        required=True,
        metavar="RECORDING",
        help=".h5, rosbag2 folder, .mcap, .db3, or a folder of these",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder")
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings that differ")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder for prepared recordings, which runs can share (default: OUT/cache)",
    )


def main(args: argparse.Namespace) -> int:
    recordings = find_recordings(args.data)
    # Late: torch takes seconds to import, and bad arguments should not wait for it.
    from m2r2_ros.training.pretrain import pretrain
    from m2r2_ros.training.recordings import labelled_windows
    from m2r2_ros.training.settings import PretrainSettings, load_settings

    settings = load_settings(PretrainSettings, args.config)
    cache = args.cache or args.out / "cache"
    pretrain(recordings, args.out, settings, labelled_windows, cache)
    print(f"{args.out}: export it with `m2r2 export {args.out} --out encoder.onnx`")
    return 0
