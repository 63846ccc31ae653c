# SPDX-License-Identifier: Apache-2.0
"""Lets every program of the virtual environment find ROS 2 and m2r2_msgs without sourcing anything.

`prepare.py` copies this file into the environment, where a .pth file imports it whenever an
interpreter starts. The dynamic linker reads LD_LIBRARY_PATH only when a process starts, so the
first interpreter replaces itself by one that has it; its children inherit it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Complete the environment and, if the libraries were not on the path, start anew."""
    prefix = Path(sys.prefix)
    extend("AMENT_PREFIX_PATH", [prefix])
    wheels = list(prefix.glob("lib/python3.*/site-packages/ros_*.libs"))
    if wheels:
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if extend("LD_LIBRARY_PATH", [prefix / "lib", *wheels]):
        # The wheels bring a similar hook, which has nothing left to do.
        os.environ["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
        os.execv(sys.executable, sys.orig_argv)


def extend(variable: str, folders: list[Path]) -> bool:
    """Append folders to a search path unless they are on it, so that overlays keep precedence."""
    known = [folder for folder in os.environ.get(variable, "").split(os.pathsep) if folder]
    new = [str(folder) for folder in folders if str(folder) not in known]
    os.environ[variable] = os.pathsep.join(known + new)
    return bool(new)


main()
