# SPDX-License-Identifier: Apache-2.0
"""What has been heard of one robot's segments: the latest event, and those that ended."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus

# As many as the segmenter itself remembers.
_MOST_ENDED = 1000
_HOUR_S = 3600.0


@dataclass(frozen=True)
class ActionQuery:
    """An action and its object as the vocabulary writes them; "" stands for any."""

    action: str = ""
    object: str = ""

    def is_done_in(self, event: SegmentEvent) -> bool:
        """Whether the event names them; an object that is asked for has to be known."""
        if not event.action:
            return False
        return self.action in ("", event.action) and self.object in ("", event.object)

    def __str__(self) -> str:
        return f"'{self.action or 'any action'} {self.object}".rstrip() + "'"


@dataclass(frozen=True)
class News:
    """One event that was heard.

    is_restart  it comes from a segmenter that was started anew, or from a second one.
    is_gap      events before it went unheard that may have been a start or an end.
    """

    event: SegmentEvent
    is_restart: bool = False
    is_gap: bool = False


class SegmentLog:
    """Keeps what the messages of one topic tell.

    restarts   how often the segmenter was started anew.
    lost       messages that went unheard, as far as their numbers tell.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.latest: SegmentEvent | None = None
        self.restarts = self.lost = 0
        self._ended: deque[SegmentEvent] = deque(maxlen=_MOST_ENDED)
        self._writer: bytes | None = None
        self._number: int | None = None

    def add(
        self, event: SegmentEvent, writer: bytes | None = None, number: int | None = None
    ) -> News | None:
        """Take the next event; None for one that was heard before.

        `writer` identifies the publisher, `number` counts its messages; None where the middleware
        does not tell.
        """
        before = self.latest
        is_other = None not in (writer, self._writer) and writer != self._writer
        if event == before and not is_other:
            # Delivered once more, as after a connection that was lost for a while.
            return None
        is_restart = before is not None and (is_other or _goes_back(before, event))
        if is_restart:
            self.restarts += 1
            self._ended.clear()
            before = None
        elif None not in (number, self._number):
            self.lost += max(0, number - self._number - 1)
        self.latest, self._writer, self._number = event, writer, number
        if event.status == SegmentStatus.ENDED:
            self._ended.append(event)
        return News(event, is_restart, before is not None and _leaves_gap(before, event))

    def last_end(self, wanted: ActionQuery) -> SegmentEvent | None:
        """The latest ENDED that fits, in this run of the segmenter."""
        return next((e for e in reversed(self._ended) if wanted.is_done_in(e)), None)

    def end_of(self, segment: SegmentEvent) -> SegmentEvent | None:
        """The ENDED of a segment, if it has been heard."""
        return next((e for e in reversed(self._ended) if is_same_segment(e, segment)), None)

    def staleness(self, now_ns: int, max_age_s: float | None) -> str:
        """Why the latest event does not tell what is done at `now_ns` (ROS time), "" if it does."""
        if self.latest is None:
            return f"{self.topic}: nothing has been heard"
        if max_age_s is None:
            return ""
        if now_ns == 0:
            return f"{self.topic}: use_sim_time is set, but nothing has come on /clock"
        age_s = (now_ns - self.latest.stamp_ns) / 1e9
        if abs(age_s) <= max_age_s:
            return ""
        if age_s < 0 or age_s > _HOUR_S:
            return (
                f"{self.topic}: the latest segment is stamped {abs(age_s):.0f} s "
                f"{'before' if age_s > 0 else 'after'} this node's clock: with a played bag set "
                "use_sim_time and play it with --clock, else synchronise the clocks"
            )
        return f"{self.topic}: silent for {age_s:.1f} s, longer than {max_age_s:g} s"


def is_same_segment(event: SegmentEvent, other: SegmentEvent) -> bool:
    """Whether both are of one segment: its id and its start are never revised."""
    return (event.segment_id, event.start_ns) == (other.segment_id, other.start_ns)


def _goes_back(before: SegmentEvent, event: SegmentEvent) -> bool:
    """Within a run ids count up, and a segment goes on from STARTED to ENDED."""
    if event.segment_id != before.segment_id:
        return event.segment_id < before.segment_id
    is_beat = event.status == before.status == SegmentStatus.ONGOING
    return not is_beat and event.status <= before.status


def _leaves_gap(before: SegmentEvent, event: SegmentEvent) -> bool:
    if event.segment_id == before.segment_id:
        return False
    follows = event.segment_id == before.segment_id + 1
    is_whole = before.status == SegmentStatus.ENDED and event.status != SegmentStatus.ENDED
    return not (follows and is_whole)
