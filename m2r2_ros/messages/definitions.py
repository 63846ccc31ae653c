# SPDX-License-Identifier: Apache-2.0
"""Message definitions without ROS: the common ones, and ours from the .msg files themselves."""

from __future__ import annotations

from functools import cache

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from m2r2_ros.shipped import shipped

PACKAGE = "m2r2_msgs"


@cache
def typestore() -> Typestore:
    """Definitions of ROS 2 and of m2r2_msgs, to read and write bags with.

    Raises M2R2Error when the .msg files were not installed.
    """
    store = get_typestore(Stores.ROS2_KILTED)
    types = {}
    for path in sorted(shipped(f"{PACKAGE}/msg").glob("*.msg")):
        types.update(get_types_from_msg(path.read_text("utf-8"), f"{PACKAGE}/msg/{path.stem}"))
    store.register(types)
    return store
