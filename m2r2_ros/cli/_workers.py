# SPDX-License-Identifier: Apache-2.0
"""Who does the work of a command that takes many recordings: `--workers` and `--ray`."""

from __future__ import annotations

import argparse

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.cluster import AUTO, LOCAL
from m2r2_ros.parallel.spread import Workers


def add_worker_arguments(parser: argparse.ArgumentParser, what: str = "") -> None:
    """Add both; `what` the processes do, where it is not all of the command."""
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help=f"processes, {what}one a core at best (default: %(default)s)",
    )
    add_ray_argument(parser)


def add_ray_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--ray` to a command that works in one process otherwise."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help=f'spread the work over this Ray cluster: host:port, "{AUTO}" for the one that this '
        f'machine is part of, "{LOCAL}" for this machine alone; files have the same paths on every '
        "machine",
    )


def given_workers(args: argparse.Namespace) -> Workers:
    """What was asked for. Raises M2R2Error when both were, or no worker."""
    if args.workers < 1:
        raise M2R2Error(f"--workers must be at least 1, not {args.workers}")
    if args.ray and args.workers > 1:
        raise M2R2Error("--workers is for this machine: a cluster of --ray uses all its processors")
    return Workers(args.workers, args.ray)
