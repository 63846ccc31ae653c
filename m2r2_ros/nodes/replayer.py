# SPDX-License-Identifier: Apache-2.0
"""The node `replayer`: a bag as live topics, where `ros2 bag play` is not installed.

Every message goes out as it was recorded, byte for byte, with the recorded type and quality of
service, at its log time. The ground truth is one of the topics.
"""

from __future__ import annotations

import heapq
import math
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rclpy.duration import Duration
from rclpy.exceptions import InvalidTopicNameException
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock as RosClock

from m2r2_ros.datasets.bag_qos import OfferedQos
from m2r2_ros.datasets.bag_reader import Bag, BagMessage, BagTopic, open_bag
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.conversions import time_to_ros
from m2r2_ros.nodes.diagnostics import OK, WARN, Report
from m2r2_ros.nodes.lifecycle_probe import activity_probe
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.process import run
from m2r2_ros.nodes.topic_input import message_class

CLOCK_TOPIC = "/clock"
CLOCK_TYPE = "rosgraph_msgs/msg/Clock"
# rclpy spends 20 to 35 % of a core on a clock of 1 kHz.
_CLOCK_HZ = 100.0
# A recorded depth was the driver's; here nothing may be lost when a subscriber is slow for once.
# A message that a busy machine has missed is sent again only seconds later: it must still be kept.
_LEAST_DEPTH = 200
_KEPT_S = 10.0
# Subscribers are complete when none has come for this long.
_SETTLED_S = 0.5
_LOOK_S = 0.02


class Replayer(ManagedNode):
    """Plays in a thread of its own, against absolute deadlines, so that no error adds up."""

    SETTINGS = parameters.REPLAYER

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__("replayer", values)
        self._outputs: dict[str, Publisher] = {}
        self._thread: threading.Thread | None = None
        self.published = self.position_ns = self.duration_ns = 0

    def configure(self, values: dict[str, Any]) -> None:
        if not values["bag"]:
            raise M2R2Error("parameter bag is empty: give the bag to play")
        self._path = Path(values["bag"]).expanduser()
        self._rate, self._loop, self._wait_s = values["rate"], values["loop"], values["wait_s"]
        self._awaited = {name: activity_probe(self, name) for name in values["await_nodes"]}
        self.published = self.position_ns = 0
        self._skipped: dict[str, int] = {}
        self._problems: list[str] = []
        self._first_reason = ""
        with open_bag(self._path) as bag:
            self._warn_of(bag.problems)
            self.message_count, self.duration_ns = bag.message_count, bag.end_ns - bag.start_ns
            self._make_publishers(bag, values["clock"])

    def activate(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, name="player")
        self._thread.start()

    def deactivate(self) -> None:
        self._stop.set()
        self._thread.join()

    def cleanup(self) -> None:
        for publisher in self._outputs.values():
            self.destroy_publisher(publisher)
        self._outputs.clear()

    def report(self) -> Report:
        values = {
            "bag": self._path,
            "published": self.published,
            "messages": self.message_count,
            "skipped": sum(self._skipped.values()),
            "position_s": self.position_ns / 1e9,
            "duration_s": self.duration_ns / 1e9,
        }
        state = "playing" if self.is_active else "inactive"
        if self._skipped:
            return Report(WARN, f"{state}, {len(self._skipped)} topics are left out", values)
        return Report(OK, state, values)

    def _make_publishers(self, bag: Bag, with_clock: bool) -> None:
        kept = min(1.0, _KEPT_S * self._rate / max(self.duration_ns / 1e9, 1e-9))
        for topic in bag.topics.values():
            if topic.name == CLOCK_TOPIC:
                continue
            qos = _recorded_qos(topic.qos)
            qos.depth = max(qos.depth, math.ceil(kept * topic.count))
            try:
                self._outputs[topic.name] = self._publisher(topic, qos)
            except M2R2Error as error:
                self._skip(topic, error)
        if not self._outputs:
            raise M2R2Error(f"{self._path}: holds no topic that can be played{self._first_reason}")
        if with_clock:
            self._outputs[CLOCK_TOPIC] = self.create_publisher(RosClock, CLOCK_TOPIC, 10)

    def _publisher(self, topic: BagTopic, qos: QoSProfile) -> Publisher:
        try:
            return self.create_publisher(message_class(topic.type_name), topic.name, qos)
        except (InvalidTopicNameException, ValueError) as error:
            raise M2R2Error(f"cannot be published: {error}") from error

    def _skip(self, topic: BagTopic, reason: M2R2Error) -> None:
        self._skipped[topic.name] = topic.count
        self._first_reason = self._first_reason or f": {topic.name}: {reason}"
        line = f"{topic.name} is left out, {topic.count} messages: {reason}"
        self.get_logger().warning(printable(line))

    def _warn_of(self, problems: Iterable[str]) -> None:
        """Log each problem of the bag once."""
        for problem in problems:
            if problem not in self._problems:
                self._problems.append(problem)
                self.get_logger().warning(printable(f"{self._path}: {problem}"))

    def _play(self) -> None:
        try:
            self._await_subscribers()
            while not self._stop.is_set():
                self._play_once()
                if not self._loop:
                    break
            self._await_acknowledgement()
        except Exception as error:
            self.fail(error)
        self.finish()

    def _play_once(self) -> None:
        with open_bag(self._path) as bag:
            began = time.monotonic()
            for message in self._schedule(bag):
                self.position_ns = message.log_ns - bag.start_ns
                deadline = began + self.position_ns / (1e9 * self._rate)
                if self._stop.wait(max(0.0, deadline - time.monotonic())):
                    return
                self._outputs[message.topic].publish(message.data)
                self.published += message.topic != CLOCK_TOPIC
            self._warn_of(bag.problems)

    def _schedule(self, bag: Bag) -> Iterator[BagMessage]:
        """Messages in order of log time, the clock's among them."""
        topics = [topic for topic in self._outputs if topic != CLOCK_TOPIC]
        streams = [bag.messages(topics)]
        if CLOCK_TOPIC in self._outputs:
            streams.insert(0, self._ticks(bag))
        return heapq.merge(*streams, key=lambda message: message.log_ns)

    def _ticks(self, bag: Bag) -> Iterator[BagMessage]:
        step_ns = max(1, round(1e9 * self._rate / _CLOCK_HZ))
        for now_ns in range(bag.start_ns, bag.end_ns + step_ns, step_ns):
            data = serialize_message(RosClock(clock=time_to_ros(now_ns)))
            yield BagMessage(CLOCK_TOPIC, CLOCK_TYPE, now_ns, data)

    def _await_subscribers(self) -> None:
        """Until all subscribers are connected, so that they get the first message, too."""
        started = time.monotonic()
        while self._awaited and time.monotonic() - started < self._wait_s:
            self._awaited = {n: probe for n, probe in self._awaited.items() if not probe()}
            if self._stop.wait(_LOOK_S):
                return
        if self._awaited:
            missing = ", ".join(self._awaited)
            self.get_logger().warning(printable(f"not active after {self._wait_s:g} s: {missing}"))
        changed = time.monotonic()
        found = 0
        # A node listens to the clock long before it is active.
        publishers = [self._outputs[topic] for topic in self._outputs if topic != CLOCK_TOPIC]
        while time.monotonic() - started < self._wait_s:
            count = sum(publisher.get_subscription_count() for publisher in publishers)
            if count != found:
                found, changed = count, time.monotonic()
            if (found and time.monotonic() - changed >= _SETTLED_S) or self._stop.wait(_LOOK_S):
                return
        if not found:
            line = f"nobody listens after {self._wait_s:g} s; playing anyway"
            self.get_logger().warning(printable(line))

    def _await_acknowledgement(self) -> None:
        deadline = time.monotonic() + self._wait_s
        for publisher in self._outputs.values():
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline - time.monotonic())))


def _recorded_qos(recorded: OfferedQos) -> QoSProfile:
    """The quality of service that the bag says its publisher had."""
    qos = QoSProfile(depth=max(_LEAST_DEPTH, recorded.depth))
    if recorded.best_effort:
        qos.reliability = ReliabilityPolicy.BEST_EFFORT
    if recorded.transient_local:
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return qos


def main() -> int:
    """Run the node."""
    return run(lambda: [Replayer()], __doc__)


if __name__ == "__main__":
    sys.exit(main())
