# SPDX-License-Identifier: Apache-2.0
"""Measure how fast this machine runs the chain, and whether it loses anything.

Each benchmark runs our way and a stated reference way in turn, several times, and gives medians,
spread and `ratio` (ours / reference): a busy machine slows both. All of them by default. Ends with
status 1 where a goal (benchmarks/goals.yaml) is missed by more than its spread: in every turn.
The programs talk in ROS_DOMAIN_ID, on this machine only.

Examples:
    m2r2 bench
    m2r2 bench ingest latency --json bench.json
    m2r2 bench ingest --seconds 600 --repetitions 1
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import tempfile
from pathlib import Path

from m2r2_ros.benchmarks.goals import judge, read_goals
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.cli._models import given_models
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.shipped import shipped

# One module of benchmarks/ each, with `run(Options) -> dict`.
NAMES = {
    "ingest": "CPU a message, and losses, against one rclpy callback a message",
    "latency": "camera stamp to prediction and segment against the bare onnxruntime calls",
    "beside": "camera stamp to prediction with a recorder beside the chain against without",
    "large_pictures": "memory and predictions with one camera of 12 megapixels at 3 Hz",
    "composed": "CPU a window in one process against three",
    "viewing": "camera stamp to prediction with m2r2 view connected against without",
    "streaming": "cost of the head after 600, 6,000 and 60,000 frames against the prefix again",
    "heads": "training an epoch of MS-TCN and of ASRF against torch's own layers",
    "segment": "offline segmentation against bare decoding and inference",
    "extract": "features of a recording against bare onnxruntime calls",
    "cluster": "extraction on two Ray nodes of one core each against on one",
    "bags": "reading a bag against bare rosbags",
    "simulate": "the simulated task board with pictures against without",
    "record": "recording three cameras, raw and as JPEG, and signals: CPU, and losses",
    "gpu": "the encoder on a GPU, where there is one, against the CPU",
    "roboact": "a new frame of RoboAct-CLIP with kept embeddings against sixteen embedded again",
    "roboact_vit": "the same with a frozen encoder of the size of ViT-B/16",
    "decoding": "proprioceptive messages in batches against one by one",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    table = "; ".join(f"{name}: {what}" for name, what in NAMES.items())
    parser.add_argument("names", nargs="*", metavar="NAME", help=table)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="length of each load (default: %(default)g)"
    )
    parser.add_argument(
        "--repetitions", type=int, default=3, help="turns of each way (default: %(default)d)"
    )
    parser.add_argument(
        "--peaks",
        nargs=2,
        type=float,
        metavar=("TFLOPS", "GB_S"),
        help="of a GPU, from its data sheet: what gpu should take there (default: those of the GPU "
        "that is there, if it is known)",
    )
    parser.add_argument(
        "--models",
        type=Path,
        help="models folder, or org/name@revision of the Hugging Face hub (default: shipped)",
    )


def main(args: argparse.Namespace) -> int:
    """Run the benchmarks one after the other, print their results and hold them to the goals."""
    for name in args.names:
        if name not in NAMES:
            raise M2R2Error(f"unknown benchmark '{name}'{nearest_name(name, NAMES)}")
    if args.repetitions < 1 or not args.seconds > 0:
        raise M2R2Error("--repetitions and --seconds must be above 0")
    if args.peaks and not all(0 < peak < math.inf for peak in args.peaks):
        raise M2R2Error("--peaks must be two numbers above 0: TFLOPS and GB/s")
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    results = {}
    models = given_models(args.models) if args.models else shipped("models/taskboard_compact")
    with tempfile.TemporaryDirectory(prefix="m2r2_bench_") as logs:
        options = Options(args.seconds, args.repetitions, models, Path(logs), args.peaks)
        for name in args.names or NAMES:
            benchmark = importlib.import_module(f"m2r2_ros.benchmarks.{name}")
            results[name] = benchmark.run(options)
            print(f"{name}: {json.dumps(results[name], indent=1)}", flush=True)
            if args.json:
                _write(args.json, results)
    verdicts = judge(results, read_goals())
    print(*verdicts, sep="\n")
    return int(any(verdict.is_missed for verdict in verdicts))


def _write(path: Path, results: dict[str, dict]) -> None:
    """After each benchmark, so that an interrupted run keeps what it has."""
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
