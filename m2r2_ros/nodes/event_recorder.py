# SPDX-License-Identifier: Apache-2.0
"""The node `event_recorder`: all sensors around segments that are worth a look, into bags.

The topics of the parameter file are kept in memory, `ring_mb` of them. When /action_segment ends a
segment that is unknown, has failed or is unsure, what came from `around_s` before its start to
`around_s` after its end becomes a bag, `<record_to>/events/<date>`, with the segments as proposals
beside it: ready for `m2r2 label`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from m2r2_msgs.msg import ActionSegment as RosActionSegment
from m2r2_ros.datasets.event_recording import EventPlan, EventRecording
from m2r2_ros.datasets.recorded_topics import beside, recorded_topics
from m2r2_ros.datasets.take import Received
from m2r2_ros.errors import printable
from m2r2_ros.inference.models import open_head
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.conversions import event_from_ros
from m2r2_ros.nodes.input_parameters import declare_inputs, read_inputs
from m2r2_ros.nodes.recorder import TopicRecorder
from m2r2_ros.nodes.recorder_node import TOO_SLOW, RecorderNode, run_beside
from m2r2_ros.nodes.topics import SEGMENT_TOPIC, segment_qos
from m2r2_ros.sensing.memory_budget import MEGABYTE

_FOLDER, _PATTERN = "events", "%Y-%m-%d-%H-%M-%S"
# Segments that may wait while a disk is busy.
_DEPTH = 1000


class EventRecorder(RecorderNode):
    """Hears segments and keeps sensors; `EventRecording` decides."""

    SETTINGS = parameters.EVENT_RECORDER

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__("event_recorder", values)
        declare_inputs(self)

    def configure(self, values: dict[str, Any]) -> None:
        folder = parameters.given_models(values["models"], self.get_logger().info)
        plan = EventPlan(
            Path(values["record_to"]).expanduser() / _FOLDER,
            _PATTERN,
            round(values["around_s"] * 1e9),
            round(values["ring_mb"] * MEGABYTE),
            round(values["events_mb"] * MEGABYTE),
            values["unsure_below"],
            open_head(folder, values["actions"]).vocabulary,
        )
        self._events = EventRecording(plan)
        topics = read_inputs(self, values["gripper_joints"])
        chosen = [self.resolve_topic_name(name) for name in recorded_topics(topics)]
        may_lack = [self.resolve_topic_name(name) for name in beside(topics)]
        self._recorder = TopicRecorder(self, chosen, may_lack)
        self._told = 0

    def activate(self) -> None:
        self._subscription = self.create_subscription(
            RosActionSegment, SEGMENT_TOPIC, self.guard(self._hear), segment_qos(_DEPTH)
        )
        super().activate()

    def deactivate(self) -> None:
        super().deactivate()
        self.destroy_subscription(self._subscription)

    def keep(self, messages: Sequence[Received], until_ns: int) -> None:
        try:
            self._events.add(messages, until_ns)
        finally:
            self._tell()

    def finish_recording(self) -> None:
        try:
            self._events.close()
        finally:
            self._tell()

    def state(self) -> tuple[dict[str, Any], Iterable[str]]:
        events = self._events
        values = {
            "takes": len(events.finished),
            "take": events.take.bag.folder.name if events.take else "",
            **{f"events_{reason}": count for reason, count in events.reasons.items()},
            "before_start": events.before_start,
            "not_kept": events.not_kept,
            "cut_s": events.cut_s,
            "dropped": events.dropped.total(),
            "written_mb": events.written_bytes / MEGABYTE,
            "ring_mb": events.ring.size / MEGABYTE,
        }
        return values, [events.problem] if events.problem else []

    def losses(self) -> dict[str, float]:
        events = self._events
        return {
            f"events are not kept: {events.why_not}": events.not_kept,
            "takes lack their beginnings: ring_mb is full": events.cut_s,
            TOO_SLOW: events.dropped.total(),
        }

    def _hear(self, message: RosActionSegment) -> None:
        # What has come with it, first.
        self._drain()
        event = event_from_ros(message)
        self.attempt(lambda: self._events.hear(event))

    def _tell(self) -> None:
        for folder in self._events.finished[self._told :]:
            self.get_logger().info(printable(f"kept {folder}"))
        self._told = len(self._events.finished)


def main() -> int:
    """Run the node."""
    return run_beside(lambda: [EventRecorder()], __doc__)


if __name__ == "__main__":
    sys.exit(main())
