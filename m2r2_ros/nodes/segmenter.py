# SPDX-License-Identifier: Apache-2.0
"""The node `segmenter`: features in, action segments out.

/m2r2/features (FeatureVector) -> /m2r2/frame_prediction (FramePrediction) for every window and
/action_segment (ActionSegment; reliable, transient local: a planner that joins late gets the
current segment). Services: ~/reset, ~/get_segments.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from std_srvs.srv import Trigger

from m2r2_msgs.msg import ActionSegment as RosActionSegment
from m2r2_msgs.msg import FeatureVector as RosFeatureVector
from m2r2_msgs.msg import FramePrediction as RosFramePrediction
from m2r2_msgs.srv import GetSegments
from m2r2_ros.diagnosis.latency import Latency
from m2r2_ros.errors import printable
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE, open_head
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.inference.pipeline import SegmentSequence
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.inference.tracker_config import TrackerConfig, without_effect
from m2r2_ros.inference.window_feature import WindowFeature
from m2r2_ros.inference.zero_shot import ZeroShotHead
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.conversions import event_to_ros, feature_from_ros, prediction_to_ros
from m2r2_ros.nodes.diagnostics import OK, WARN, Report
from m2r2_ros.nodes.last_event import LastEvent, ended
from m2r2_ros.nodes.last_messages import last_messages
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.message_versions import other_version
from m2r2_ros.nodes.process import run
from m2r2_ros.nodes.topics import (
    CHAIN_QOS,
    FEATURE_TOPIC,
    PREDICTION_TOPIC,
    SEGMENT_TOPIC,
    segment_qos,
)

# The topic keeps one message, so an ENDED must have reached everyone before the STARTED that
# follows it at once. A subscriber that is stuck may hold up the others by no more than this.
_DELIVERY_S = 0.2
# At shutdown no later message is delayed.
_LAST_DELIVERY_S = 2.0


# Interval of looks for features; looks without one after which the open segment ends. Looks are
# counted instead of time: a process without a processor has not waited.
_LOOK_S = 1.0
_SILENT_LOOKS = 5
# Longest wait of a successor for its first subscriber: the topic keeps only one message.
_DISCOVERY_S = 5.0


class Segmenter(ManagedNode):
    """Publishes what the head and the segment tracker make of each feature."""

    SETTINGS = parameters.SEGMENTER
    OWN_TOPIC = SEGMENT_TOPIC

    def __init__(self, composed: bool = False, values: dict[str, Any] | None = None) -> None:
        """A `composed` node is handed its features by `accept` and does not subscribe."""
        super().__init__("segmenter", values)
        self._composed = composed
        self._sequence: SegmentSequence | None = None
        # Ids and segments go on through a cleanup: a planner does not see other models.
        self._earlier: list[SegmentEvent] = []
        self._next_id = 0

    def configure(self, values: dict[str, Any]) -> None:
        folder = parameters.given_models(values["models"], self.get_logger().info)
        head = open_head(folder, values["actions"])
        head.metadata.check_encoder(head.path, read_model(folder / ENCODER_FILE).sha256)
        settings = self.declare_more(parameters.tracker_settings(head.metadata.tracker))
        self._last_event = LastEvent(self.get_fully_qualified_name())
        self._inherited = self._last_event.read()
        if self._last_event.damage:
            self.get_logger().warning(printable(self._last_event.damage))
        first_id = max(self._next_id, self._inherited.segment_id + 1 if self._inherited else 0)
        defaults = vars(head.metadata.tracker)
        self._warn_of_unread([n for n in settings if settings[n] != defaults[n]], head)
        config = TrackerConfig.from_dict(settings)
        tracker = head.metadata.new_tracker(config, first_id)
        tracker.remember(self._earlier)
        self._sequence = SegmentSequence(head, tracker)
        self._frames = self._silences = self._unconfirmed = 0
        self._latency = Latency("stamp_to_prediction"), Latency("stamp_to_segment")
        # A head that looks ahead answers as much later.
        self._period_ms = read_encoder_metadata(folder / ENCODER_FILE).layout.period_ns / 1e6
        self._period_ms *= 1 + head.metadata.look_ahead
        self._is_confirmed = True
        self._segments = self.create_publisher(RosActionSegment, SEGMENT_TOPIC, segment_qos())
        self._predictions = self.create_publisher(RosFramePrediction, PREDICTION_TOPIC, CHAIN_QOS)
        self._offered = [
            self.create_service(Trigger, "~/reset", self._reset),
            self.create_service(GetSegments, "~/get_segments", self._get_segments),
        ]

    def activate(self) -> None:
        self._end_inherited()
        self._silence = _Silence(self.get_clock())
        self._watch = self.create_timer(
            _LOOK_S, self.guard(self._look), clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._subscription = None
        if not self._composed:
            self._subscription = self.create_subscription(
                RosFeatureVector, FEATURE_TOPIC, self.guard(self._receive), CHAIN_QOS
            )

    def deactivate(self) -> None:
        self.destroy_timer(self._watch)
        if self._subscription is not None:
            segment = self.guard(lambda message: self._segment(feature_from_ros(message)))
            for message in last_messages(self._subscription):
                segment(message)
            self.destroy_subscription(self._subscription)
        self._publish(self._sequence.close())
        timeout = Duration(seconds=_LAST_DELIVERY_S)
        for publisher in (self._segments, self._predictions):
            publisher.wait_for_all_acked(timeout)

    def cleanup(self) -> None:
        if self._sequence is None:
            return
        tracker = self._sequence.tracker
        self._earlier, self._next_id = tracker.history, tracker.next_id
        self._sequence = None
        if self.is_ending:
            self._last_event.remove()
        self.destroy_publisher(self._segments)
        self.destroy_publisher(self._predictions)
        for service in self._offered:
            self.destroy_service(service)

    def accept(self, feature: WindowFeature) -> None:
        """Take the feature of the next window."""
        if self.is_active:
            self._segment(feature)

    def _segment(self, feature: WindowFeature) -> None:
        self._silence.end()
        head = self._sequence.head
        head.metadata.check_encoder(head.path, feature.encoder_sha256)
        frame = self._sequence.predict(feature.index, feature.end_ns, feature.values)
        self._frames += 1
        self._predictions.publish(prediction_to_ros(frame, head.labels))
        events = self._sequence.track(frame, feature.end_ns)
        self._publish(events)
        now_ns = self.get_clock().now().nanoseconds
        of_prediction, of_segment = self._latency
        of_prediction.note(frame.stamp_ns, now_ns)
        for event in events:
            of_segment.note(event.stamp_ns, now_ns)

    def change(self, values: dict[str, Any]) -> None:
        tracker = self._sequence.tracker
        tracker.config = replace(tracker.config, **values)
        self._warn_of_unread(values, self._sequence.head)

    def _warn_of_unread(self, changed: Iterable[str], head: StreamingHead | ZeroShotHead) -> None:
        if line := without_effect(changed, by_evidence=head.metadata.procedure is not None):
            self.get_logger().warning(printable(line))

    def report(self) -> Report:
        current = self._sequence.tracker.current
        values = {
            "head": self._sequence.head.path,
            "frames": self._frames,
            "segments": len(self._sequence.tracker.history),
            "current_segment": current.label if current else "",
            "confidence": current.confidence if current else 0.0,
            "silences": self._silences,
            "subscribers": self._segments.get_subscription_count(),
            "unconfirmed": self._unconfirmed,
        }
        for latency in self._latency:
            values |= latency.values()
        if trouble := self._trouble():
            return Report(WARN, trouble, values)
        return Report(OK, "active" if self.is_active else "inactive", values)

    def _trouble(self) -> str:
        """What an operator should know, the gravest first; "" where all is well."""
        topic = self._segments.topic_name
        if self.is_active and self._silence.is_long:
            return f"nothing has come for {self._silence.seconds} s"
        if not (self._is_confirmed or self._segments.wait_for_all_acked(Duration())):
            return f"a subscriber of {topic} does not confirm"
        if self._last_event.problem:
            return printable(self._last_event.problem)
        if line := other_version(self, topic, RosActionSegment):
            self.get_logger().error(printable(line), once=True)
            return printable(line)
        return self._latency[0].complaint("predictions", self._period_ms) if self.is_active else ""

    def _receive(self, message: RosFeatureVector) -> None:
        self.accept(feature_from_ros(message))

    def _look(self) -> None:
        """End the open segment when features stay away: a planner must not wait for ever."""
        was_long = self._silence.is_long
        self._silence.look()
        if self._silence.is_long and not was_long:
            self._silences += 1
            self._publish(self._sequence.close())

    def _end_inherited(self) -> None:
        """Publish the ENDED of a killed predecessor, once there is a subscriber."""
        owed = ended(self._inherited) if self._inherited else None
        self._inherited = None
        if owed is None:
            return
        line = f"ending segment {owed.segment_id} of one that was killed"
        self.get_logger().warning(printable(line))
        deadline = time.monotonic() + _DISCOVERY_S
        while not self._segments.get_subscription_count() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._publish([owed])
        self._segments.wait_for_all_acked(Duration(seconds=_LAST_DELIVERY_S))

    def _publish(self, events: Iterable[SegmentEvent]) -> None:
        for event in events:
            # First, so that a successor knows of every published event.
            self._last_event.write(event)
            if self._last_event.problem:
                self.get_logger().warning(printable(self._last_event.problem), once=True)
            self._segments.publish(event_to_ros(event))
            if event.status == SegmentStatus.ENDED:
                timeout = Duration(seconds=_DELIVERY_S)
                self._is_confirmed = self._segments.wait_for_all_acked(timeout)
                self._unconfirmed += not self._is_confirmed

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        current = self._sequence.tracker.current
        self._publish(self._sequence.close())
        response.success = True
        response.message = f"ended segment {current.segment_id}" if current else "no open segment"
        return response

    def _get_segments(
        self, request: GetSegments.Request, response: GetSegments.Response
    ) -> GetSegments.Response:
        tracker = self._sequence.tracker
        events = [*tracker.history, *filter(None, [tracker.current])]
        response.segments = [event_to_ros(event) for event in events]
        return response


class _Silence:
    """Seconds without a feature. While simulated time stands still, nothing is expected."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._then_ns = clock.now().nanoseconds
        self.seconds = 0

    @property
    def is_long(self) -> bool:
        return self.seconds >= _SILENT_LOOKS

    def look(self) -> None:
        now_ns = self._clock.now().nanoseconds
        self.seconds += now_ns != self._then_ns
        self._then_ns = now_ns

    def end(self) -> None:
        self.seconds = 0


def main() -> int:
    """Run the node in a process of its own."""
    return run(lambda: [Segmenter()], __doc__)


if __name__ == "__main__":
    sys.exit(main())
