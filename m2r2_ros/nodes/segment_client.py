# SPDX-License-Identifier: Apache-2.0
"""A planner's side of /action_segment, for any rclpy node.

Threads: messages are heard, and functions given to `on_start` and `on_end` called one at a time, in
the thread or threads that spin the node. `latest` and `waiting` block nobody. `wait_for` blocks its
caller; where no executor holds the node, as in a plain script, it spins the node meanwhile, so that
the node's other callbacks run in it, too. In a callback of an executor that would have no thread
left to hear, it raises CannotWait at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from weakref import WeakSet

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node

from m2r2_msgs.msg import ActionSegment as RosActionSegment
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.inference.segment_events import SegmentEvent
from m2r2_ros.nodes.blocking_wait import BlockingWait, CannotWait
from m2r2_ros.nodes.conversions import event_from_ros
from m2r2_ros.nodes.message_versions import other_version
from m2r2_ros.nodes.topics import SEGMENT_TOPIC, segment_qos
from m2r2_ros.planning.segment_log import ActionQuery, SegmentLog
from m2r2_ros.planning.segment_wait import (
    Condition,
    Moment,
    SegmentWait,
    Stale,
    Told,
    Until,
    check_seconds,
)

# The open segment is published once a second (`heartbeat_s`).
MAX_AGE_S = 5.0
# Deep enough for all that is published while a planner is busy for some seconds.
_DEPTH = 1000
# Until something has been heard, the graph is looked at for another version of the message.
_LOOK_S = 2.0
_CLOSED, _NO_NODE = "the client was closed", "the client's node was destroyed"

Callback = Callable[[SegmentEvent], None]


class SegmentClient:
    """Hears the segments of one robot. Times are in seconds of the node's clock (ROS time).

    `max_age` bounds the age of the latest message, by its header stamp; None accepts any.
    """

    def __init__(self, node: Node, topic: str = SEGMENT_TOPIC) -> None:
        """`topic` is relative to the node's namespace; of another robot "/arm1/action_segment"."""
        self._node = node
        self._changed = threading.Condition()
        self._blocking = BlockingWait(node, self._changed)
        self._log = SegmentLog(node.resolve_topic_name(topic))
        # Those whose PendingWait somebody still holds.
        self._waits: WeakSet[SegmentWait] = WeakSet()
        self._told: list[tuple[Told, Callback]] = []
        self._is_closed = False
        group = MutuallyExclusiveCallbackGroup()
        self._subscription = node.create_subscription(
            RosActionSegment, topic, self._hear, segment_qos(_DEPTH), callback_group=group
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watch = node.create_timer(_LOOK_S, self._look_for_versions, group, steady)

    @property
    def restarts(self) -> int:
        """How often the segmenter was started anew."""
        return self._log.restarts

    @property
    def lost(self) -> int:
        """Messages that went unheard because this process was too busy."""
        return self._log.lost

    @property
    def heard(self) -> SegmentEvent | None:
        """The latest event, however old."""
        return self._log.latest

    def latest(self, max_age: float | None = MAX_AGE_S) -> SegmentEvent:
        """The latest event. Raises Stale when there is none, or none that is recent enough."""
        check_seconds("max_age", max_age)
        now = self._now()
        with self._changed:
            problem = self._log.staleness(now.ros_ns, max_age)
            latest = self._log.latest
        if problem or latest is None:
            raise self._stale(problem)
        return latest

    def last_end(self, action: str = "", object: str = "") -> SegmentEvent | None:
        """The latest ENDED of an action ("" for any) that this run of the segmenter has told."""
        with self._changed:
            return self._log.last_end(ActionQuery(action, object))

    def on_start(self, callback: Callback, action: str = "", object: str = "") -> None:
        """Call `callback(event)` once a segment when the action ("" for any) has started.

        With `object`, once that is known. Of an action that is under way already it tells with the
        next message.
        """
        self._tell(callback, ActionQuery(action, object), Until.START)

    def on_end(self, callback: Callback, action: str = "", object: str = "") -> None:
        """Call `callback(event)` with the ENDED of the action ("" for any)."""
        self._tell(callback, ActionQuery(action, object), Until.END)

    def wait_for(
        self,
        action: str,
        object: str = "",
        timeout: float | None = None,
        max_age: float | None = MAX_AGE_S,
        until: Until = Until.START,
    ) -> SegmentEvent:
        """Block until an action starts (at once if it is under way) or, with END, ends.

        Raises TimedOut; Stale after a restart, after lost events and when the segmenter is silent
        for `max_age`; CannotWait where nobody would hear; rclpy's ExternalShutdownException.
        """
        return self._block(self.waiting(action, object, timeout, max_age, until))

    def wait_for_end(
        self,
        segment: SegmentEvent,
        timeout: float | None = None,
        max_age: float | None = MAX_AGE_S,
    ) -> SegmentEvent:
        """Block until this very segment ends, at once if it has ended. Raises as `wait_for`."""
        wanted = ActionQuery(segment.action, segment.object)
        return self._block(self._begin(Condition(wanted, Until.END, timeout, max_age, segment)))

    def wait_until_heard(self, timeout: float) -> bool:
        """Block until any message has been heard, at most `timeout` seconds of wall time."""
        check_seconds("timeout", timeout)
        deadline = time.monotonic() + timeout
        self._blocking.until(lambda: bool(self._log.latest) or time.monotonic() > deadline)
        return self._log.latest is not None

    def waiting(
        self,
        action: str,
        object: str = "",
        timeout: float | None = None,
        max_age: float | None = MAX_AGE_S,
        until: Until = Until.START,
    ) -> PendingWait:
        """As `wait_for`, without blocking: to be asked now and then."""
        if not action:
            raise M2R2Error("a wait for segments needs the name of an action")
        return self._begin(Condition(ActionQuery(action, object), until, timeout, max_age))

    def close(self) -> None:
        """Hear no more; whoever waits, or begins to, is told at once."""
        with self._changed:
            self._is_closed = True
            for wait in self._waits:
                wait.stop(_CLOSED)
            self._changed.notify_all()
        self._node.destroy_timer(self._watch)
        self._node.destroy_subscription(self._subscription)
        self._blocking.close()

    def _hear(self, message: RosActionSegment, info: dict[str, Any]) -> None:
        try:
            event = event_from_ros(message)
        except M2R2Error as error:
            self._node.get_logger().error(printable(error), throttle_duration_sec=_LOOK_S)
            return
        self._watch.cancel()
        now, gid = self._now(), info.get("publisher_gid")
        with self._changed:
            writer, number = gid and bytes(gid["data"]), info.get("publication_sequence_number")
            news = self._log.add(event, writer, number)
            if news is None:
                return
            for wait in self._waits:
                wait.hear(news, now)
            due = [callback for told, callback in self._told if told.is_new(news)]
            self._changed.notify_all()
        # All are told, also where one of them raises.
        with self._blocking.in_own_callback(), ExitStack() as calls:
            for callback in reversed(due):
                calls.callback(callback, event)

    def _tell(self, callback: Callback, wanted: ActionQuery, until: Until) -> None:
        with self._changed:
            self._told.append((Told(wanted, until), callback))

    def _begin(self, condition: Condition) -> PendingWait:
        with self._changed:
            wait = SegmentWait(condition, self._log, self._now())
            if self._is_closed:
                wait.stop(_CLOSED)
            self._waits.add(wait)
        return PendingWait(self, wait)

    def _block(self, pending: PendingWait) -> SegmentEvent:
        try:
            was_spun = self._blocking.until(pending.done)
            return pending.result()
        except Stale as error:
            if not was_spun:
                raise CannotWait(
                    f"nobody spins the executor of node '{self._node.get_name()}', or all its "
                    f"threads are busy: {error}"
                ) from error
            raise
        finally:
            pending.cancel()

    def _is_done(self, wait: SegmentWait) -> bool:
        now = self._now()
        with self._changed:
            if not self._has_node:
                wait.stop(_NO_NODE)
            wait.look(now)
            return wait.is_done

    def _forget(self, wait: SegmentWait) -> None:
        with self._changed:
            self._waits.discard(wait)
            wait.stop("it was canceled")

    def _stale(self, problem: str) -> Stale:
        if not self._has_node:
            problem = f"{self._log.topic}: {_NO_NODE}"
        elif self._log.latest is None:
            problem = other_version(self._node, self._log.topic, RosActionSegment) or problem
        return Stale(problem)

    def _look_for_versions(self) -> None:
        """Nobody has been heard yet: say so where that is why."""
        if line := other_version(self._node, self._log.topic, RosActionSegment):
            self._node.get_logger().error(printable(line), once=True)

    @property
    def _has_node(self) -> bool:
        try:
            with self._node.handle:
                return True
        except InvalidHandle:
            return False

    def _now(self) -> Moment:
        return Moment(self._node.get_clock().now().nanoseconds, time.monotonic())


class PendingWait:
    """One wait of a SegmentClient that blocks nobody: `done()`, then `result()`."""

    def __init__(self, client: SegmentClient, wait: SegmentWait) -> None:
        self._client, self._wait = client, wait

    def done(self) -> bool:
        """Whether it has come to an end, by now."""
        return self._client._is_done(self._wait)

    def result(self) -> SegmentEvent:
        """The event that was waited for. Raises TimedOut or Stale; only after `done()`."""
        error = self._wait.error
        if isinstance(error, Stale):
            raise self._client._stale(str(error))
        if error is not None:
            raise error
        if self._wait.result is None:
            raise M2R2Error(f"{self._wait.condition} has not come yet")
        return self._wait.result

    def cancel(self) -> None:
        """Wait no longer."""
        self._client._forget(self._wait)
