# SPDX-License-Identifier: Apache-2.0
"""What a planner's author uses: SegmentClient, its values and its errors.

Behaviours for py_trees are in `m2r2_ros.client.behaviours`.
"""

from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.nodes.blocking_wait import CannotWait
from m2r2_ros.nodes.segment_client import MAX_AGE_S, PendingWait, SegmentClient
from m2r2_ros.planning.segment_wait import Stale, TimedOut, Until

__all__ = [
    "MAX_AGE_S",
    "ActionOutcome",
    "CannotWait",
    "PendingWait",
    "SegmentClient",
    "SegmentEvent",
    "SegmentStatus",
    "Stale",
    "TimedOut",
    "Until",
]
