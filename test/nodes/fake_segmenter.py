# SPDX-License-Identifier: Apache-2.0
"""Publishes scripted segments as the segmenter does: one message kept, ids that count up."""

from __future__ import annotations

import time

from harness import PATIENCE_S
from rclpy.duration import Duration

from m2r2_msgs.msg import ActionSegment
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.nodes.conversions import event_to_ros
from m2r2_ros.nodes.topics import SEGMENT_TOPIC, segment_qos

STARTED, ONGOING, ENDED = SegmentStatus


class FakeSegmenter:
    """`node` need not be spun: it only publishes."""

    def __init__(self, node, topic=SEGMENT_TOPIC, first_id=0):
        self._node = node
        self._id = first_id - 1
        self._open = ("", "")
        self._start_ns = 0
        self.publisher = node.create_publisher(ActionSegment, topic, segment_qos())

    def await_hearers(self, count=1):
        """Until so many subscribers are connected, in the publisher's own eyes."""
        deadline = time.monotonic() + PATIENCE_S
        while self.publisher.get_subscription_count() < count:
            assert time.monotonic() < deadline, "nobody hears the segments"
            time.sleep(0.005)

    def start(self, action="", object="", **more):
        self._id += 1
        self._start_ns = more.get("stamp_ns") or self.now_ns
        return self._publish(STARTED, action, object, **more)

    def go_on(self, action=None, object=None, **more):
        """A heartbeat; with arguments it names them."""
        names = self._open if action is None else (action, object or "")
        return self._publish(ONGOING, *names, **more)

    def end(self, outcome=ActionOutcome.UNKNOWN, **more):
        confidence = 0.75 if outcome else 0.0
        more |= {"outcome": outcome, "outcome_confidence": confidence}
        return self._publish(ENDED, *self._open, **more)

    def do(self, action, object="", outcome=ActionOutcome.UNKNOWN):
        """A whole segment, delivered message by message."""
        self.start(action, object)
        self.delivered()
        self.end(outcome)
        self.delivered()

    def delivered(self):
        """Until everyone has the last message; the topic keeps no more."""
        assert self.publisher.wait_for_all_acked(Duration(seconds=PATIENCE_S))

    def die(self):
        """Without an ENDED."""
        self._node.destroy_publisher(self.publisher)

    @property
    def now_ns(self):
        return self._node.get_clock().now().nanoseconds

    def _publish(self, status, action, object, stamp_ns=None, **more):
        self._open = (action, object)
        now_ns = stamp_ns or self.now_ns
        label = f"{action} {object}".strip() or "idle"
        times = self._start_ns, now_ns
        event = SegmentEvent(
            now_ns, self._id, status, label, action, object, 0, 0.5, *times, 0.5, **more
        )
        self.publisher.publish(event_to_ros(event))
        return event
