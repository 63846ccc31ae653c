# SPDX-License-Identifier: Apache-2.0
"""The node `await_server`: the action `await_action` (AwaitAction) on what is published.

It stands beside the segmenter, in a process of its own, so that goals get their result also when
the segmenter is killed: aborted, as stale. It hears /action_segment and gives as feedback what it
hears. Goals are independent of one another, and any number up to a hundred wait at once.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy

from m2r2_msgs.action import AwaitAction
from m2r2_msgs.msg import ActionSegment as RosActionSegment
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.inference.segment_events import SegmentEvent
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.conversions import duration_from_ros, event_to_ros
from m2r2_ros.nodes.diagnostics import OK, Report
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.process import run
from m2r2_ros.nodes.segment_client import PendingWait, SegmentClient
from m2r2_ros.nodes.topics import AWAIT_ACTION
from m2r2_ros.planning.segment_wait import TimedOut, Until

_MOST_GOALS = 100
# All of them may be reached by one message: the usual depth of 10 would lose results.
_QOS = QoSProfile(depth=_MOST_GOALS, reliability=ReliabilityPolicy.RELIABLE)
# Timeouts, silence and cancellations are noticed within this time.
_LOOK_S = 0.1
# For the last results at shutdown: a client asks for them once its goal is accepted.
_LAST_RESULTS_S = 1.0
Result = AwaitAction.Result


class _Goal(NamedTuple):
    handle: ServerGoalHandle
    pending: PendingWait


class AwaitServer(ManagedNode):
    """Holds accepted goals until their wait is over; only then are they executed, in no time."""

    SETTINGS = parameters.AWAIT_SERVER

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__("await_server", values)
        self._client: SegmentClient | None = None
        self._goals: list[_Goal] = []

    def configure(self, values: dict[str, Any]) -> None:
        self._max_age_s = values["max_age_s"]
        self._ended: Counter[str] = Counter()
        self._last_sent: SegmentEvent | None = None
        self._client = SegmentClient(self)
        for tell in (self._client.on_start, self._client.on_end):
            tell(self.guard(lambda event: self._look()))
        self._server = ActionServer(
            self,
            AwaitAction,
            AWAIT_ACTION,
            execute_callback=lambda handle: Result(),
            goal_callback=self._admit,
            handle_accepted_callback=self._accept,
            cancel_callback=lambda handle: CancelResponse.ACCEPT,
            goal_service_qos_profile=_QOS,
            result_service_qos_profile=_QOS,
            cancel_service_qos_profile=_QOS,
            feedback_pub_qos_profile=_QOS,
        )

    def activate(self) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watch = self.create_timer(_LOOK_S, self.guard(self._look), clock=steady)

    def deactivate(self) -> None:
        self.destroy_timer(self._watch)
        self._stop_goals()

    def cleanup(self) -> None:
        if self._client is not None:
            self._server.destroy()
            self._client.close()
            self._client = None

    def shut_down(self) -> None:
        """As every node; results of goals that wait still go out."""
        if self.is_active and self._goals:
            self._stop_goals()
            deadline = time.monotonic() + _LAST_RESULTS_S
            while time.monotonic() < deadline:
                self.executor.spin_once(timeout_sec=_LOOK_S)
        super().shut_down()

    def report(self) -> Report:
        values = {
            "goals": len(self._goals),
            **{reason.lower(): self._ended[reason] for reason in _REASONS},
            "restarts": self._client.restarts,
            "lost": self._client.lost,
        }
        return Report(OK, "active" if self.is_active else "inactive", values)

    def _admit(self, goal: AwaitAction.Goal) -> GoalResponse:
        problem = ""
        if not self.is_active:
            problem = "the node is not active"
        elif not goal.action or goal.until not in set(Until):
            problem = f"it needs an action and START or END, not '{goal.action}' and {goal.until}"
        elif len(self._goals) >= _MOST_GOALS:
            problem = f"{_MOST_GOALS} goals wait already, also of clients that are gone: cancel"
        if not problem:
            return GoalResponse.ACCEPT
        self.get_logger().warning(printable(f"a goal is rejected: {problem}"))
        return GoalResponse.REJECT

    def _accept(self, handle: ServerGoalHandle) -> None:
        goal = handle.request
        timeout_s = duration_from_ros(goal.timeout) / 1e9
        pending = self._client.waiting(
            goal.action,
            goal.object,
            timeout=timeout_s if timeout_s > 0 else None,
            max_age=self._max_age_s,
            until=Until(goal.until),
        )
        self._goals.append(_Goal(handle, pending))
        self._look()

    def _look(self) -> None:
        self._send_feedback()
        for goal in list(self._goals):
            if goal.handle.is_cancel_requested:
                self._end(goal, ServerGoalHandle.canceled, "CANCELED", "canceled by its client")
            elif goal.pending.done():
                self._finish(goal)

    def _finish(self, goal: _Goal) -> None:
        try:
            event = goal.pending.result()
        except TimedOut as error:
            self._end(goal, ServerGoalHandle.abort, "TIMED_OUT", str(error))
        except M2R2Error as error:
            self._end(goal, ServerGoalHandle.abort, "STALE", str(error))
        else:
            self._end(goal, ServerGoalHandle.succeed, "REACHED", "", event)

    def _stop_goals(self) -> None:
        for goal in list(self._goals):
            self._end(goal, ServerGoalHandle.abort, "STOPPED", "the server was deactivated")

    def _end(
        self,
        goal: _Goal,
        finish: Callable[[ServerGoalHandle], None],
        reason: str,
        message: str,
        event: SegmentEvent | None = None,
    ) -> None:
        """Execute the goal, whose callback only says how it has ended."""
        self._goals.remove(goal)
        goal.pending.cancel()
        self._ended[reason] += 1
        segment = event_to_ros(event) if event is not None else self._latest()
        result = Result(reason=getattr(Result, reason), message=message, segment=segment)

        def finished(handle: ServerGoalHandle) -> Result:
            finish(handle)
            return result

        goal.handle.execute(finished)

    def _send_feedback(self) -> None:
        event = self._client.heard
        if event is None or event == self._last_sent:
            return
        self._last_sent = event
        feedback = AwaitAction.Feedback(segment=event_to_ros(event))
        for goal in self._goals:
            goal.handle.publish_feedback(feedback)

    def _latest(self) -> RosActionSegment:
        event = self._client.heard
        return RosActionSegment() if event is None else event_to_ros(event)


_REASONS = ("REACHED", "TIMED_OUT", "STALE", "CANCELED", "STOPPED")


def main() -> int:
    """Run the node."""
    return run(lambda: [AwaitServer()], __doc__)


if __name__ == "__main__":
    sys.exit(main())
