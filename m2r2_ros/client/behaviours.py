# SPDX-License-Identifier: Apache-2.0
"""Behaviours for py_trees that tell what the robot does, right from the first tick.

SUCCESS and FAILURE are said of what is known. What is not known, because nothing has been heard
yet, the segmenter is silent or no outcome was told, is RUNNING, with the reason in
`feedback_message`: an Inverter must not turn "I cannot see" into "it is so".

`setup` waits for the first message, so that the first tick already knows. A tick never blocks.
"""

from __future__ import annotations

from typing import Any

from m2r2_ros.errors import M2R2Error, missing_package
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.nodes.segment_client import MAX_AGE_S, PendingWait, SegmentClient
from m2r2_ros.planning.segment_log import ActionQuery
from m2r2_ros.planning.segment_wait import Stale, Until, check_seconds

try:
    from py_trees.behaviour import Behaviour
    from py_trees.common import Status
except ModuleNotFoundError as error:
    raise M2R2Error(missing_package("py_trees")) from error

# Discovery takes a moment, on a busy machine some.
_SETUP_S = 2.0
_STATUS = {ActionOutcome.SUCCESS: Status.SUCCESS, ActionOutcome.FAILURE: Status.FAILURE}


class _SegmentBehaviour(Behaviour):
    """`object` "" stands for any object."""

    def __init__(self, name: str, client: SegmentClient, action: str, object: str = "") -> None:
        super().__init__(name)
        self._client, self._wanted = client, ActionQuery(action, object)

    def setup(self, **kwargs: Any) -> None:
        """Wait up to two seconds for the first message."""
        self._client.wait_until_heard(_SETUP_S)

    def _is_under_way(self, event: SegmentEvent) -> bool:
        return event.status != SegmentStatus.ENDED and self._wanted.is_done_in(event)

    def _say(self, status: Status, message: object) -> Status:
        self.feedback_message = str(message)
        return status


class WaitForAction(_SegmentBehaviour):
    """SUCCESS once the action has started (at once if it is under way) or, with END, has ended.

    FAILURE on a timeout, and when the segmenter is silent, was restarted or events were lost.
    """

    def __init__(
        self,
        name: str,
        client: SegmentClient,
        action: str,
        object: str = "",
        timeout: float | None = None,
        max_age: float | None = MAX_AGE_S,
        until: Until = Until.START,
    ) -> None:
        super().__init__(name, client, action, object)
        self._how = (action, object, timeout, max_age, until)
        # What cannot be waited for is refused here, not in the middle of a mission.
        client.waiting(*self._how).cancel()
        self._pending: PendingWait | None = None

    def initialise(self) -> None:
        self._pending = self._client.waiting(*self._how)

    def update(self) -> Status:
        if not self._pending.done():
            return self._say(Status.RUNNING, f"waiting for {self._wanted}")
        try:
            return self._say(Status.SUCCESS, self._pending.result().label)
        except M2R2Error as error:
            return self._say(Status.FAILURE, error)

    def terminate(self, new_status: Status) -> None:
        if self._pending is not None:
            self._pending.cancel()


class IsDoing(_SegmentBehaviour):
    """Whether the action is under way; RUNNING while nobody can tell."""

    def __init__(
        self,
        name: str,
        client: SegmentClient,
        action: str,
        object: str = "",
        max_age: float | None = MAX_AGE_S,
    ) -> None:
        super().__init__(name, client, action, object)
        check_seconds("max_age", max_age)
        self._max_age = max_age

    def update(self) -> Status:
        try:
            latest = self._client.latest(self._max_age)
        except Stale as error:
            return self._say(Status.RUNNING, error)
        status = Status.SUCCESS if self._is_under_way(latest) else Status.FAILURE
        return self._say(status, latest.label)


class HasSucceeded(_SegmentBehaviour):
    """What came of the action when it ended last.

    RUNNING while it is under way and before it has ended once. An outcome that nobody told is
    `unknown`: RUNNING, or what the tree's author puts in its place.
    """

    def __init__(
        self,
        name: str,
        client: SegmentClient,
        action: str,
        object: str = "",
        unknown: Status = Status.RUNNING,
    ) -> None:
        super().__init__(name, client, action, object)
        self._unknown = unknown

    def update(self) -> Status:
        heard = self._client.heard
        if heard is not None and self._is_under_way(heard):
            return self._say(Status.RUNNING, f"{self._wanted} is under way")
        ended = self._client.last_end(self._wanted.action, self._wanted.object)
        if ended is None:
            return self._say(Status.RUNNING, f"{self._wanted} has not ended yet")
        status = _STATUS.get(ended.outcome, self._unknown)
        share = f" ({ended.outcome_confidence:.2f})" if ended.outcome else ""
        return self._say(status, f"{ended.label}: {ended.outcome.name.lower()}{share}")
