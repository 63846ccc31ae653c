# SPDX-License-Identifier: Apache-2.0
"""Options of verbs that do offline what the nodes do: --config, and --layout of what is shown."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from m2r2_ros.errors import printable
from m2r2_ros.offline.deployment import Deployment


def load_deployment(path: Path | None) -> Deployment:
    """Read the nodes' parameter file; say what it holds that is not used. Raises M2R2Error."""
    deployment = Deployment.load(path)
    for note in deployment.notes:
        print(printable(note), file=sys.stderr)
    return deployment


def add_shown_layout(parser: argparse.ArgumentParser) -> None:
    """The option --layout of a verb that shows sensors."""
    parser.add_argument(
        "--layout",
        type=Path,
        metavar="YAML",
        help="the sensors to show (default: those of a model with signals, else what has a topic "
        "and is called like a preset)",
    )
