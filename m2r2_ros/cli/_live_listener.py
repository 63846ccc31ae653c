# SPDX-License-Identifier: Apache-2.0
"""All that the nodes publish for their users, as values without ROS."""

from __future__ import annotations

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from m2r2_msgs.msg import ActionSegment as RosActionSegment
from m2r2_msgs.msg import FramePrediction as RosFramePrediction
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent
from m2r2_ros.nodes.conversions import event_from_ros, prediction_from_ros
from m2r2_ros.nodes.lifecycle_probe import activity_probe
from m2r2_ros.nodes.topics import DIAGNOSTICS_TOPIC, PREDICTION_TOPIC, SEGMENT_TOPIC, segment_qos

SYNCHRONIZER = "synchronizer"
# Deep enough for all that is published while this process is busy elsewhere.
_DEPTH = 1000


class LiveListener(Node):
    """Collects segment events and frame predictions in the order in which they arrive.

    received   sensor messages that reached the synchronizer, as it last said.
    """

    def __init__(self, on_event: Callable[[SegmentEvent], None]) -> None:
        super().__init__("listener")
        self.events: list[SegmentEvent] = []
        self.predictions: list[FramePrediction] = []
        self._on_event = on_event
        self.received = 0
        self._heard = time.monotonic()
        self.create_subscription(
            RosActionSegment, SEGMENT_TOPIC, self._keep_event, segment_qos(_DEPTH)
        )
        self.create_subscription(
            RosFramePrediction, PREDICTION_TOPIC, self._keep_prediction, _DEPTH
        )
        self.create_subscription(DiagnosticArray, DIAGNOSTICS_TOPIC, self._keep_counts, _DEPTH)

    @property
    def silence_s(self) -> float:
        """Seconds of wall time since anything was published."""
        return time.monotonic() - self._heard

    def probe(self, name: str) -> Callable[[], bool]:
        """Return a function that tells, as long as this node spins, whether a node is active."""
        return activity_probe(self, name)

    def _keep_event(self, message: RosActionSegment) -> None:
        self._heard = time.monotonic()
        event = event_from_ros(message)
        self.events.append(event)
        self._on_event(event)

    def _keep_prediction(self, message: RosFramePrediction) -> None:
        self._heard = time.monotonic()
        self.predictions.append(prediction_from_ros(message))

    def _keep_counts(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == f"{self.get_namespace()}/{SYNCHRONIZER}".strip("/"):
                counts = (int(e.value) for e in status.values if e.key.endswith(".messages"))
                self.received = sum(counts)
