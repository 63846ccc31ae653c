# SPDX-License-Identifier: Apache-2.0
"""From /tf and /tf_static to a pose of the window builder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rclpy.node import Node

from m2r2_ros.datasets.transform_input import static_topic
from m2r2_ros.messages.transform_pose import TransformPose
from m2r2_ros.nodes.stream_signature import StreamSignature
from m2r2_ros.nodes.topic_input import TopicInput
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.limits import SensingLimits

# Of all static publishers of a robot, and their part of the bytes that may wait.
_STATIC_DEPTH, _STATIC_PART = 1000, 0.125
# A queue that is too deep for its messages is made anew, and what comes meanwhile is lost: that of
# /tf has room for messages of a hundred frames from the start.
_USUAL_BYTES, _LEAST_DEPTH = 8192, 500


class TransformInput(TopicInput):
    """/tf, and /tf_static with it."""

    def __init__(
        self,
        node: Node,
        topic: str,
        check_type: Callable[[str], None],
        limits: SensingLimits,
        max_bytes: float,
    ) -> None:
        """All that waits takes `max_bytes` at most, and is what comes in `buffer_s`."""
        most = _STATIC_PART * max_bytes
        of_moving = max_bytes - most
        depth = min(
            round(limits.buffer_s * limits.max_signal_rate_hz), int(of_moving / 2 / _USUAL_BYTES)
        )
        depth = max(_LEAST_DEPTH, depth)
        super().__init__(node, topic, check_type, depth, max_bytes=of_moving)
        topic = static_topic(topic)
        self.static = TopicInput(
            node, topic, check_type, _STATIC_DEPTH, max_bytes=most, keeps_last=True
        )

    def follow(self) -> bool:
        self.static.follow()
        return super().follow()

    def fetch(self, until_ns: int | None = None) -> None:
        super().fetch(until_ns)
        self.static.fetch(until_ns)

    def close(self) -> None:
        self.static.close()
        super().close()


class TransformSource:
    """The pose of one frame in another."""

    # What cannot be read is why there is no pose: see `TransformPose.problem`.
    unread = ""

    def __init__(self, name: str, pose: TransformPose, topic: TransformInput) -> None:
        self.name = name
        self.stamps = "header"
        self.input = topic
        self.signature = StreamSignature()
        self._pose = pose

    @property
    def malformed(self) -> int:
        """Messages and transforms that could not be read."""
        return self._pose.malformed

    def feed(self, builder: WindowBuilder, until_ns: int | None) -> None:
        """Take all that had come by `until_ns` and add it."""
        moving = self.input.take(until_ns)
        static = self.input.static.take(until_ns)
        if moving or static:
            self._add(builder, static, moving)
        builder.remark(self.name, self._pose.notice or self.input.static.refusal)

    def _add(
        self, builder: WindowBuilder, static: Sequence[bytes], moving: Sequence[bytes]
    ) -> None:
        lost = self._pose.lost
        builder.add_signal(self.name, *self._pose.add(static, moving))
        self.input.lost += self._pose.lost - lost
        if self._pose.problem:
            builder.explain(self.name, self._pose.problem)

    def close(self) -> None:
        self.input.close()
