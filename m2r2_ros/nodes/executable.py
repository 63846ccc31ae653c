# SPDX-License-Identifier: Apache-2.0
"""The nodes' programs. On a robot where something is not built or installed, they say so."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from m2r2_ros.errors import missing_package

EXIT_NOT_INSTALLED = 2


def main() -> int:
    """Entry point of `ros2 run m2r2_ros NODE`: the program's file name is the node's."""
    name = Path(sys.argv[0]).stem
    try:
        module = importlib.import_module(f"m2r2_ros.nodes.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("m2r2_ros"):
            raise
        print(f"{name}: {missing_package(error.name or '')}", file=sys.stderr)
        return EXIT_NOT_INSTALLED
    return module.main()
