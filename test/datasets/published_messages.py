# SPDX-License-Identifier: Apache-2.0
"""What the nodes publish, serialised by another implementation: rosbags'."""

from __future__ import annotations

from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from source_tree import ROOT

STORE = get_typestore(Stores.ROS2_JAZZY)
for name in ("ActionSegment", "FramePrediction"):
    text = (ROOT / "m2r2_msgs" / "msg" / f"{name}.msg").read_text()
    STORE.register(get_types_from_msg(text, f"m2r2_msgs/msg/{name}"))
TYPES = STORE.types


def made(kind: str, *fields: Any) -> bytes:
    """A message of these fields, as CDR."""
    message = TYPES[kind](*fields)
    return bytes(STORE.serialize_cdr(message, kind))


def header(stamp_ns: int) -> Any:
    time = TYPES["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
    return TYPES["std_msgs/msg/Header"](time, "")


def time(stamp_ns: int) -> Any:
    return TYPES["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
