# SPDX-License-Identifier: Apache-2.0
"""The quality of service that a bag says its publishers offered, in any spelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

# rmw's numbers, written up to metadata version 8; names are written since.
_BEST_EFFORT = {2, "2", "best_effort"}
_TRANSIENT_LOCAL = {1, "1", "transient_local"}
_MAX_TEXT = 100_000
_FOREVER = {"sec": 9223372036, "nsec": 854775807}


@dataclass(frozen=True)
class OfferedQos:
    """What of a publisher's quality of service matters when its topic is played again."""

    depth: int = 0
    best_effort: bool = False
    transient_local: bool = False


def offered_qos(stored: Any) -> OfferedQos:
    """Read `offered_qos_profiles`, a YAML text or a list; of several publishers the first.

    What is empty or cannot be read gives the default.
    """
    try:
        if isinstance(stored, str) and len(stored) <= _MAX_TEXT:
            stored = yaml.safe_load(stored)
    except (yaml.YAMLError, RecursionError, ValueError):
        return OfferedQos()
    first = stored[0] if isinstance(stored, list) and stored else None
    if not isinstance(first, Mapping):
        return OfferedQos()
    depth = first.get("depth")
    return OfferedQos(
        depth if type(depth) is int and 0 <= depth < 2**31 else 0,
        _is(first.get("reliability"), _BEST_EFFORT),
        _is(first.get("durability"), _TRANSIENT_LOCAL),
    )


def qos_profiles(qos: OfferedQos) -> list[dict[str, Any]]:
    """`offered_qos_profiles` of one publisher as rosbag2 writes it since metadata version 9."""
    return [
        {
            "history": "keep_last",
            "depth": qos.depth,
            "reliability": "best_effort" if qos.best_effort else "reliable",
            "durability": "transient_local" if qos.transient_local else "volatile",
            "deadline": dict(_FOREVER),
            "lifespan": dict(_FOREVER),
            "liveliness": "automatic",
            "liveliness_lease_duration": dict(_FOREVER),
            "avoid_ros_namespace_conventions": False,
        }
    ]


def _is(value: Any, names: set[Any]) -> bool:
    return (value.lower() if isinstance(value, str) else value) in names if _plain(value) else False


def _plain(value: Any) -> bool:
    return isinstance(value, (str, int))
