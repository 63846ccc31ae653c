# SPDX-License-Identifier: Apache-2.0
"""Message definitions without ROS: the common ones, and ours from the .msg files themselves."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from m2r2_ros.errors import M2R2Error

PACKAGE = "m2r2_msgs"


@cache
def typestore() -> Typestore:
    """Definitions of ROS 2 and of m2r2_msgs, to read and write bags with."""
    store = get_typestore(Stores.ROS2_KILTED)
    types = {}
    for path in sorted(message_folder().glob("*.msg")):
        types.update(get_types_from_msg(path.read_text("utf-8"), f"{PACKAGE}/msg/{path.stem}"))
    store.register(types)
    return store


def message_folder() -> Path:
    """Where the .msg files are: beside the source, in an installed share, or in sourced ROS."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    candidates = [
        Path(__file__).resolve().parents[2] / PACKAGE / "msg",
        Path(sys.prefix) / "share" / "m2r2_ros" / PACKAGE / "msg",
        *(Path(prefix) / "share" / PACKAGE / "msg" for prefix in prefixes if prefix),
    ]
    for folder in candidates:
        if (folder / "AudioChunk.msg").is_file():
            return folder
    raise M2R2Error(f"the message definitions of {PACKAGE} are not installed")
