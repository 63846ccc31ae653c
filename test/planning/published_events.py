# SPDX-License-Identifier: Apache-2.0
"""Segment events as a segmenter publishes them, for tests of what a planner makes of them."""

from __future__ import annotations

import random

from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus

STARTED, ONGOING, ENDED = SegmentStatus
SECOND = 10**9
NOW = 1_700_000_000 * SECOND


def event(id, status, action="", object="", at_s=0.0, start_s=None, **more):
    """An event stamped `at_s` seconds after NOW; without an action it is idle."""
    label = f"{action} {object}".strip() or "idle"
    stamp_ns = NOW + round(at_s * SECOND)
    start_ns = NOW + round((id if start_s is None else start_s) * SECOND)
    return SegmentEvent(
        stamp_ns, id, status, label, action, object, 0, 0.5, start_ns, stamp_ns, 0.5, **more
    )


def run(random_state: random.Random, segments: int, first_id: int = 0, now_s: float = 0.0):
    """All events of so many segments; some are idle, some get their object late."""
    events = []
    for id in range(first_id, first_id + segments):
        action = random_state.choice(["", "pick", "insert"])
        object = random_state.choice(["USB", "peg"]) if action else ""
        names = [(action, "")] if object and random_state.random() < 0.5 else []
        names += [(action, object)] * random_state.randint(1, 3)
        start_s = now_s
        for index, (named, what) in enumerate(names):
            status = ONGOING if index else STARTED
            events.append(event(id, status, named, what, now_s, start_s))
            now_s += 1.0
        outcome = random_state.choice(list(ActionOutcome)) if action else ActionOutcome.UNKNOWN
        events.append(event(id, ENDED, action, object, now_s, start_s, outcome=outcome))
    return events
