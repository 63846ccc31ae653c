# SPDX-License-Identifier: Apache-2.0
"""The labels of a folder in MS-TCN's layout, as a command is told of them."""

from __future__ import annotations

import argparse
import sys

from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE
from m2r2_ros.errors import printable


def add_idle_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--idle",
        nargs="+",
        default=[],
        metavar="LABEL",
        help=f"labels that say that nothing is done, of a folder without {VOCABULARY_FILE}",
    )


def say(assumed: str) -> None:
    """What is taken for granted because no file states it, "" for nothing."""
    if assumed:
        print(printable(assumed), file=sys.stderr)
