# SPDX-License-Identifier: Apache-2.0
"""Where the files that ship with the package are: config/, launch/, models/, recordings/."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from m2r2_ros.errors import M2R2Error


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder, for example "models/taskboard_compact".

    In a source checkout that is beside the package, after an installation in share/m2r2_ros of
    the colcon workspace or the virtual environment. Raises M2R2Error when it is nowhere.
    """
    source = Path(__file__).resolve().parents[1]
    prefixes = filter(None, [*os.environ.get("AMENT_PREFIX_PATH", "").split(":"), sys.prefix])
    folders = [source] if (source / "package.xml").is_file() else []
    for folder in [*folders, *(Path(prefix, "share", "m2r2_ros") for prefix in prefixes)]:
        if (folder / name).exists():
            return folder / name
    raise M2R2Error(f"{name} is not among the files that ship with m2r2_ros")
