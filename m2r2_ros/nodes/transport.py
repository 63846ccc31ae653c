# SPDX-License-Identifier: Apache-2.0
"""Shared memory that is large enough for camera frames.

Fast DDS shares 512 KiB by default, less than one 640x480 frame: two such cameras at 30 Hz lost 40
to 50 % of their best-effort frames, and single reliable ones came seconds late. The profile beside
this file gives every process of ours more, unless the user has a profile of his own.
"""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_OLD_NAME_DISTRIBUTIONS = ("humble", "iron", "jazzy")


def use_large_shared_memory() -> None:
    """Call before ROS starts. Other middlewares than Fast DDS do not read the variable."""
    if any(os.environ.get(variable) for variable in _VARIABLES):
        return
    new, old = _VARIABLES
    variable = old if os.environ.get("ROS_DISTRO") in _OLD_NAME_DISTRIBUTIONS else new
    os.environ[variable] = str(Path(__file__).with_name("fastdds.xml"))
