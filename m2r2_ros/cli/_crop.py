# SPDX-License-Identifier: Apache-2.0
"""`--crop`: features and labels of different lengths, and what was cut."""

from __future__ import annotations

import argparse
import sys

from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import printable


def add_crop_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--crop",
        action="store_true",
        help="cut features and groundTruth of different lengths to the shorter",
    )


def say_cropped(folder: FeatureFolder) -> None:
    """Say what was cut of the recordings that were read, if anything was."""
    if folder.cropped:
        name, most = max(folder.cropped.items(), key=lambda entry: entry[1])
        count = sum(folder.cropped.values())
        line = (
            f"{len(folder.cropped)} recordings are cut to the shorter of features and labels, by "
            f"{count} frames, the most of '{name}' by {most}"
        )
        print(printable(line), file=sys.stderr)
