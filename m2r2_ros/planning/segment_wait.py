# SPDX-License-Identifier: Apache-2.0
"""One wait for the start or the end of an action: reached, timed out, or stale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.planning.segment_log import ActionQuery, News, SegmentLog, is_same_segment


class Stale(M2R2Error):
    """Nobody can tell what is done: silence, a restart, or events that went unheard."""


class TimedOut(M2R2Error):
    """What was waited for has not come within the timeout."""


def check_seconds(name: str, seconds: float | None) -> None:
    """Raise M2R2Error for a time that would never be over."""
    if seconds is not None and math.isnan(seconds):
        raise M2R2Error(f"{name} must be seconds or None, not NaN")


class Until(IntEnum):
    """As in m2r2_msgs/action/AwaitAction."""

    START = 0
    END = 1


@dataclass(frozen=True)
class Condition:
    """What is waited for, and how long. Raises M2R2Error for what would never end.

    timeout_s   longest wait in ROS time, None for any.
    max_age_s   longest time in ROS time without news, None for any.
    segment     the one whose end is waited for; None: of any that is `wanted`.
    """

    wanted: ActionQuery
    until: Until = Until.START
    timeout_s: float | None = None
    max_age_s: float | None = None
    segment: SegmentEvent | None = None

    def __post_init__(self) -> None:
        if self.until not in list(Until):
            raise M2R2Error(f"until must be Until.START or Until.END, not {brief(self.until)}")
        check_seconds("timeout", self.timeout_s)
        check_seconds("max_age", self.max_age_s)

    def __str__(self) -> str:
        return f"the {Until(self.until).name.lower()} of {self.wanted}"


@dataclass(frozen=True)
class Moment:
    """Now: ROS time, 0 before the first /clock of simulated time, and a clock that never rests."""

    ros_ns: int
    steady_s: float


class SegmentWait:
    """Is told all news and the time; `is_done` once it has a `result` or an `error`."""

    def __init__(self, condition: Condition, log: SegmentLog, now: Moment) -> None:
        self.condition = condition
        self._log = log
        self._now = now
        self._waited_s = 0.0
        # What was open when the wait began.
        self._first = log.latest
        self.result: SegmentEvent | None = None
        self.error: M2R2Error | None = None
        self._begin()

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.error is not None

    def hear(self, news: News, now: Moment) -> None:
        """Take an event that the log has just taken."""
        self._pass_time(now)
        if self.is_done:
            return
        if news.is_restart:
            self._fail("the segmenter was started anew, or a second one publishes")
        elif self._is_it(news.event):
            self._reach(news.event)
        elif news.is_gap or self._is_late(news.event):
            self._fail(f"events before the latest of segment {news.event.segment_id} went unheard")

    def look(self, now: Moment) -> None:
        """Give up where the time is over."""
        self._pass_time(now)
        if self.is_done:
            return
        condition = self.condition
        problem = self._log.staleness(now.ros_ns, condition.max_age_s)
        if condition.timeout_s is not None and self._waited_s >= condition.timeout_s:
            heard = problem or f"{self._log.topic}: the latest is '{self._log.latest.label}'"
            self.error = TimedOut(
                f"{condition} has not come within {condition.timeout_s:g} s; {heard}"
            )
        elif problem and condition.max_age_s is not None and self._waited_s >= condition.max_age_s:
            self.error = Stale(f"{problem}, while waiting for {condition}")

    def stop(self, why: str) -> None:
        """Give up."""
        if not self.is_done:
            self._fail(why)

    def _begin(self) -> None:
        latest, segment = self._log.latest, self.condition.segment
        if segment is not None:
            self.result = self._log.end_of(segment)
            is_open = latest is not None and is_same_segment(latest, segment)
            if self.result is None and not is_open:
                self._fail(f"segment {segment.segment_id} is over and its end went unheard")
        elif latest is not None and self.condition.until == Until.START and self._is_it(latest):
            self._reach(latest)

    def _is_it(self, event: SegmentEvent) -> bool:
        if (event.status == SegmentStatus.ENDED) != (self.condition.until == Until.END):
            return False
        if self.condition.segment is not None:
            return is_same_segment(event, self.condition.segment)
        return self.condition.wanted.is_done_in(event)

    def _is_late(self, event: SegmentEvent) -> bool:
        """Whether a segment is over that fits and whose start did not come while waiting."""
        if self.condition.until == Until.END or event.status != SegmentStatus.ENDED:
            return False
        was_open = self._first is not None and is_same_segment(event, self._first)
        return self.condition.wanted.is_done_in(event) and not was_open

    def _reach(self, event: SegmentEvent) -> None:
        """A start that is too old when it comes says nothing of now; an end is one for ever."""
        problem = self._log.staleness(self._now.ros_ns, self.condition.max_age_s)
        if self.condition.until == Until.END or not problem:
            self.result = event

    def _fail(self, why: str) -> None:
        self.error = Stale(f"{self._log.topic}: {why}, while waiting for {self.condition}")

    def _pass_time(self, now: Moment) -> None:
        """A clock that jumps back takes nothing away; before /clock the steady one counts."""
        before, self._now = self._now, now
        if now.ros_ns == 0:
            self._waited_s += max(0.0, now.steady_s - before.steady_s)
        elif before.ros_ns:
            self._waited_s += max(0, now.ros_ns - before.ros_ns) / 1e9


class Told:
    """Tells of each segment once that the action in it has started, or that it has ended."""

    def __init__(self, wanted: ActionQuery, until: Until) -> None:
        self._wanted, self._until = wanted, until
        self._last: SegmentEvent | None = None

    def is_new(self, news: News) -> bool:
        """Whether this event is the first that says so."""
        event = news.event
        if (event.status == SegmentStatus.ENDED) != (self._until == Until.END):
            return False
        known = self._last
        if not self._wanted.is_done_in(event) or (known and is_same_segment(known, event)):
            return False
        self._last = event
        return True
