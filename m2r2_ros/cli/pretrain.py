# SPDX-License-Identifier: Apache-2.0
"""Pretrain a feature extractor on labelled recordings or clips.

m2r2 learns from all sensors of recordings, roboact (RoboAct-CLIP) from videos of single actions:
those of recordings, or a list of clips (.jsonl) as `m2r2 annotate` writes it.

Writes a run folder: settings.yaml, checkpoint and best weights (safetensors), metrics.jsonl and
TensorBoard events. A command that was interrupted goes on where it was, to the same losses. The
settings' names and defaults are in m2r2_ros/training/settings.py and training/roboact/settings.py.

Examples:
    m2r2 pretrain --encoder m2r2 --data data/taskboard --out out/m2r2
    m2r2 pretrain --encoder m2r2 --data data/taskboard --out out/m2r2 \\
        --config config/training/m2r2_taskboard.yaml
    m2r2 pretrain --encoder m2r2 --data data/taskboard_sim/train \\
        --validation data/taskboard_sim/validation --out out/m2r2 --workers 2
    m2r2 pretrain --encoder m2r2 --data data/taskboard --out out/no_gripper \\
        --config config/training/ablations/no_gripper.yaml --cache out/m2r2/cache
    m2r2 pretrain --encoder m2r2 --data bags --out out/two_arms \\
        --layout layout.yaml --robot robot.yaml
    m2r2 pretrain --encoder m2r2 --data bags --out out/fine_tuned \\
        --layout layout.yaml --robot robot.yaml --from models/taskboard_compact/encoder.onnx
    tensorboard --logdir out/m2r2
    torchrun --nproc_per_node gpu -m m2r2_ros.cli.main pretrain --encoder m2r2 \\
        --data data/reassemble --out out/paper --config config/training/m2r2_paper.yaml
    m2r2 pretrain --encoder roboact --data clips.jsonl --out out/roboact
    m2r2 pretrain --encoder roboact --data data/taskboard --out out/no_motion \\
        --config config/training/roboact_ablation1.yaml --cache out/embeddings
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from m2r2_ros.cli._config import load_deployment
from m2r2_ros.cli._interruption import interruptible
from m2r2_ros.cli._models import given_encoder
from m2r2_ros.cli._recordings import given_recordings
from m2r2_ros.cli._workers import add_worker_arguments, given_workers
from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.spread import Workers
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.training.settings_file import read_values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encoder", choices=ENCODERS, required=True, help="what to pretrain")
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        required=True,
        metavar="RECORDING",
        help=".h5, rosbag2 folder, .mcap, .db3, or a folder of these; roboact also takes .jsonl",
    )
    parser.add_argument(
        "--validation",
        nargs="+",
        type=Path,
        metavar="RECORDING",
        help="what chooses the best epoch (default: a part of --data)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder")
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings that differ")
    parser.add_argument(
        "--layout",
        type=Path,
        metavar="YAML",
        help="m2r2: the sensors of the encoder (default: the settings' layout)",
    )
    parser.add_argument(
        "--robot",
        type=Path,
        metavar="YAML",
        help="m2r2: parameter file of the nodes, for the topics of bags (default: those that "
        "`m2r2 convert` writes)",
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="start_from",
        metavar="ENCODER",
        help="m2r2: encoder.onnx, or org/name@revision of the Hugging Face hub, whose weights "
        "training begins with, as far as sensors and sizes are the same (default: at random)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder for prepared recordings, which runs can share (default: OUT/cache)",
    )
    add_worker_arguments(parser, "that prepare recordings or videos, ")


def main(args: argparse.Namespace) -> int:
    workers = given_workers(args)
    if args.config:
        read_values(args.config)
    with interruptible(args.out):
        exported = ENCODERS[args.encoder](args, args.cache or args.out / "cache", workers)
    from m2r2_ros.training.run import best_metrics

    best = best_metrics(args.out)
    epoch, loss = best["epoch"] + 1, best.get("validation/loss")
    why = "the last one" if loss is None else f"with a validation loss of {loss:.3g}"
    print(f"{args.out}: the best epoch is {epoch}, {why}")
    print(f"{args.out}: export it with `m2r2 export {args.out} --out {exported}`")
    return 0


def _pretrain_m2r2(args: argparse.Namespace, cache: Path, workers: Workers) -> str:
    validation = given_recordings(args.validation or [])
    recordings = given_recordings([*args.data, *validation])
    if len(recordings) < 2:
        raise M2R2Error(
            f"{args.data[0]}: {len(recordings)} recording: pretraining takes two at least, one of "
            "them for validation"
        )
    layout = load_layout(args.layout) if args.layout else None
    start_from = given_encoder(args.start_from) if args.start_from else None
    robot = load_deployment(args.robot)
    # Late: torch takes seconds to import, and bad arguments should not wait for it.
    from m2r2_ros.training.settings import PretrainSettings, load_settings

    given = {"layout": layout} if layout else {}
    settings = load_settings(PretrainSettings, args.config, **given)
    print(f"{len(recordings)} recordings: building the encoder", file=sys.stderr, flush=True)
    from m2r2_ros.training.pretraining import pretrain
    from m2r2_ros.training.recordings import cache_of, labelled_windows

    if validation:
        settings = replace(settings, validation_recordings=tuple(p.stem for p in validation))
    read = partial(labelled_windows, robot=robot)
    place = cache_of(cache, robot)
    pretrain(recordings, args.out, settings, read, place, workers, start_from)
    return "my_models/encoder.onnx"


def _pretrain_roboact(args: argparse.Namespace, cache: Path, workers: Workers) -> str:
    if args.layout or args.robot:
        raise M2R2Error("--layout and --robot are for --encoder m2r2: roboact sees cameras alone")
    if args.start_from:
        raise M2R2Error("--from is for --encoder m2r2")
    from m2r2_ros.offline.clip_search import find_clips
    from m2r2_ros.training.roboact.roboact_pretraining import pretrain_roboact
    from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
    from m2r2_ros.training.settings import load_settings

    settings = load_settings(RoboActSettings, args.config)
    clips = find_clips(args.data, settings.cameras)
    if args.validation:
        kept = find_clips(args.validation, settings.cameras)
        names = tuple(dict.fromkeys(clip.path.stem for clip in kept))
        clips, settings = clips + kept, replace(settings, validation_recordings=names)
    pretrain_roboact(clips, args.out, settings, cache, workers)
    return "my_roboact"


# What runs with arguments, the cache's folder and workers; returns an example of a file to export.
ENCODERS: dict[str, Callable[[argparse.Namespace, Path, Workers], str]] = {
    "m2r2": _pretrain_m2r2,
    "roboact": _pretrain_roboact,
}
