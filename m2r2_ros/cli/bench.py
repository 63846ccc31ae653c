# SPDX-License-Identifier: Apache-2.0
"""Measure how fast this machine runs the chain, and whether it loses anything.

Names: ingest (what taking in all sensors costs, and what is lost). All of them by default.
The programs talk in ROS_DOMAIN_ID, on this machine only.

Examples:
    m2r2 bench
    m2r2 bench ingest --seconds 60 --json bench.json
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.evaluation.benchmarks.options import Options
from m2r2_ros.shipped import shipped

NAMES = ("ingest",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="length of each load (default: 60)"
    )
    parser.add_argument(
        "--models",
        type=Path,
        help="folder with encoder.onnx and head.onnx (default: the one that ships)",
    )


def main(args: argparse.Namespace) -> int:
    """Run the benchmarks one after the other and print their results."""
    for name in args.names:
        if name not in NAMES:
            raise M2R2Error(f"unknown benchmark '{name}'{nearest_name(name, NAMES)}")
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    results = {}
    models = args.models or shipped("models/taskboard_compact")
    with tempfile.TemporaryDirectory(prefix="m2r2_bench_") as logs:
        options = Options(args.seconds, models, Path(logs))
        for name in args.names or NAMES:
            benchmark = importlib.import_module(f"m2r2_ros.evaluation.benchmarks.{name}")
            results[name] = benchmark.run(options)
            print(f"{name}: {json.dumps(results[name], indent=1)}", flush=True)
    if args.json:
        with partial_file(args.json) as temporary:
            temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0
